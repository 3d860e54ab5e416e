"""Loads files into the store: read and check, find the beneficiaries, load. All of it or nothing."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from credentials.problem_list import ProblemList
from exports.claims.loader import Arrival, Loading, loading, pack
from exports.claims.models import VARIANTS, Deletion, Load, Series
from exports.intake import incoming, reading
from exports.intake.disclosure import Disclosure
from exports.intake.incoming import Filling, Spooled, Tally
from exports.intake.problems import KEPT_AT_MOST, Place, Problem, shown
from exports.intake.reading import BrokenFileError, ClaimFile, NothingToLoadError
from exports.intake.resources import BadResourceError, IncomingResource, LineReader
from exports.intake.spool import Spool
from exports.versions import ApiVersion

# What is being done, how many more bytes of it are done, and how many there are.
OnProgress = Callable[[str, int, int], None]
SOURCE_LENGTH = 200
# The response to a claim has the claim's id; see exports/fhir/v2/partial.py.
_GOES_WITH = {"Claim": ("Claim", "ClaimResponse")}


class RefusedError(Exception):
    """Nothing was loaded; `problems` are lines to show."""

    def __init__(self, problems: ProblemList[Problem], names: Sequence[str]) -> None:
        count = f"{problems.total:,} problem{'s' if problems.total > 1 else ''}"
        super().__init__(f"{count} found. Nothing was loaded.")
        self.problems = shown(problems, names)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for files without problems. `load` is None if they were only checked."""

    names: Sequence[str]
    tally: Tally
    seconds: float
    load: Load | None = None
    replaced: int = 0  # resources of earlier loads that came again
    taken_out: int = 0  # resources of earlier loads that are now withheld


def load_files(
    paths: Sequence[Path],
    *,
    version: ApiVersion,
    source: str = "",
    is_rehearsal: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> Outcome:
    """Load NDJSON files, or folders of them; in a rehearsal, only check them.

    Raises NothingToLoadError, RefusedError, SpoolFullError and PatientOfAnotherError: then nothing was loaded.
    """
    began = time.monotonic()
    files = reading.find(paths)
    names = [file.name for file in files]
    with transaction.atomic(), _spool(is_rehearsal=is_rehearsal) as spool:
        tally = _check(files, version, spool, on_progress)
        if spool is None:
            return Outcome(names, tally, time.monotonic() - began)
        with loading(source or _in_words(names)) as under_way:
            _fill(under_way, spool, tally, version, on_progress)
        replaced, taken_out = _replaced_and_taken_out(under_way.load)
    return Outcome(names, tally, time.monotonic() - began, under_way.load, replaced, taken_out)


def _spool(*, is_rehearsal: bool) -> Spool | nullcontext[None]:
    return nullcontext() if is_rehearsal else Spool(Path(settings.FILE_UPLOAD_TEMP_DIR))


def _in_words(names: Sequence[str]) -> str:
    told = ", ".join(names)
    return told if len(told) <= SOURCE_LENGTH else f"{told[: SOURCE_LENGTH - 1]}…"


# --- Checking -------------------------------------------------------------------------------------------------------


def _check(files: Sequence[ClaimFile], version: ApiVersion, spool: Spool | None, on_progress: OnProgress) -> Tally:
    """The content of the files, if there are no problems. Their lines are then in the spool."""
    problems: ProblemList[Problem] = ProblemList(KEPT_AT_MOST)
    reader = LineReader(version.resource_types)
    count = 0
    with incoming.filling() as table:
        for at, line in _lines(files, problems, on_progress):
            try:
                resource = reader.read(line)
            except BadResourceError as error:
                problems.add(Problem(at, str(error)))
            else:
                # After the first problem, the rest is only checked.
                _keep(at, resource, line, table, None if problems else spool)
                count += 1
    incoming.find_problems(problems, version=version.number)
    if problems:
        raise RefusedError(problems, [file.name for file in files])
    if not count:
        raise NothingToLoadError("These files have no resources. Nothing was loaded.")
    return incoming.find_owners(version=version.number)


def _lines(
    files: Sequence[ClaimFile], problems: ProblemList[Problem], on_progress: OnProgress
) -> Iterator[tuple[Place, bytes]]:
    """Yield the lines of all files, and the problems in reading them."""
    total = sum(file.length for file in files)
    for number, file in enumerate(files):
        try:
            for line_number, line in reading.lines(file, on_bytes=lambda more: on_progress("Checking", more, total)):
                if line is None:
                    problems.add(Problem(Place(number, line_number), reading.TOO_LONG))
                else:
                    yield Place(number, line_number), line
        except BrokenFileError as error:
            problems.add(Problem(Place(number, error.line), str(error)))


def _keep(at: Place, resource: IncomingResource, line: bytes, table: Filling, spool: Spool | None) -> None:
    """Add the facts of a line to the table, and the line to the spool if it may be needed."""
    number = Spool.number(resource.owner.patient)
    # Whether a response is needed is known after its claim.
    is_wanted = resource.disclosure == Disclosure.FREE or resource.judged_by is not None
    place = spool.put(number, line) if spool and is_wanted else 0
    table.add(at, resource, spool=number, place=place, length=len(line))


# --- Loading --------------------------------------------------------------------------------------------------------


def _fill(under_way: Loading, spool: Spool, tally: Tally, version: ApiVersion, on_progress: OnProgress) -> None:
    """Give the load each beneficiary's resources, and the ids of withheld ones."""
    spool.flush()
    for beneficiary_id, rows in groupby(incoming.in_order(), lambda row: row.beneficiary_id):
        arrivals: list[Arrival] = []
        withheld: dict[Series, set[str]] = {}
        for row in rows:
            if row.is_withheld:
                for resource_type in _GOES_WITH.get(row.resource_type, (row.resource_type,)):
                    for variant in VARIANTS:
                        withheld.setdefault(Series(version.number, resource_type, variant), set()).add(row.id)
            else:
                arrivals.append(_arrival(row, spool))
        # A withheld resource may be in an earlier load, from before it had to be withheld.
        packed = pack(arrivals, version=version.number)
        under_way.correct(beneficiary_id, packed, {series: frozenset(ids) for series, ids in withheld.items()})
        on_progress("Loading", sum(len(arrival.line) for arrival in arrivals), tally.raw_length)


def _arrival(row: Spooled, spool: Spool) -> Arrival:
    return Arrival(row.resource_type, row.id, spool.get(row.spool, row.place, row.length), row.service_date)


def _replaced_and_taken_out(load: Load) -> tuple[int, int]:
    """Return how many resources of earlier loads the load replaced, and how many it only removed."""
    sums = Deletion.objects.filter(load=load).values("is_replaced").annotate(count=Sum("resource_ids__len"))
    counted = dict(sums.values_list("is_replaced", "count"))
    return counted.get(True, 0), counted.get(False, 0)
