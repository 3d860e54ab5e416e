from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from exports.claims.loader import PatientOfAnotherError
from exports.intake.loading import SOURCE_LENGTH, OnProgress, Outcome, RefusedError, load_files
from exports.intake.reading import NothingToLoadError
from exports.intake.spool import SpoolFullError
from exports.versions import DEFAULT, VERSIONS, ApiVersion


class Command(BaseCommand):
    help = (
        "Load claims: FHIR resources as NDJSON, plain or gzip, in files or folders. Everything you name is one load: "
        "all of it is loaded, or none of it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="an NDJSON file, or a folder of them")
        parser.add_argument(
            "--api-version",
            type=int,
            default=DEFAULT.number,
            metavar="N",
            help=f"the API version of the resources (default: {DEFAULT.number})",
        )
        parser.add_argument(
            "--source", default="", metavar="TEXT", help="where the claims come from (default: the names of the files)"
        )
        parser.add_argument("--dry-run", action="store_true", help="check everything, load nothing")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  # Django's call
        version = _version(options["api_version"])
        if len(options["source"]) > SOURCE_LENGTH:
            raise CommandError(f"--source has more than {SOURCE_LENGTH} characters. Use a shorter text.")
        try:
            with _progress() as on_progress:
                outcome = load_files(
                    options["paths"],
                    version=version,
                    source=options["source"],
                    is_rehearsal=options["dry_run"],
                    on_progress=on_progress,
                )
        except RefusedError as refused:
            for problem in refused.problems:
                self.stderr.write(problem)
            raise CommandError(str(refused)) from None
        except (NothingToLoadError, SpoolFullError, PatientOfAnotherError) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped. Nothing was loaded.") from None
        for line in _told(outcome):
            self.stdout.write(line)


def _version(number: int) -> ApiVersion:
    if version := VERSIONS.get(number):
        return version
    known = ", ".join(str(version.number) for version in VERSIONS)
    raise CommandError(f"There is no API version {number}. Use --api-version with one of: {known}.")


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Progress bars on standard error, one for each step, if it is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:8}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def on_progress(what: str, more: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.advance(tasks[what], more)

        yield on_progress


def _told(outcome: Outcome) -> Iterator[str]:
    """Return the result, in sentences."""
    tally = outcome.tally
    people = f"{tally.beneficiary_count:,} {'beneficiary' if tally.beneficiary_count == 1 else 'beneficiaries'}"
    brought = f"{_counted(tally.resources)} of {people}, {tally.raw_length:,} bytes"
    if outcome.load:
        yield f"Load {outcome.load.pk}: {brought} in {outcome.seconds:.1f} s."
    else:
        yield f"No problems found: {brought}, checked in {outcome.seconds:.1f} s. Nothing was loaded."
    if tally.listed:
        yield f"Withheld: {_counted(tally.listed)} about substance use disorder (42 CFR Part 2)."
    if tally.first_unjudged:
        place = tally.first_unjudged.shown(outcome.names)
        yield f"Withheld: {_counted(tally.unjudged)} whose codes can't be checked. The first is {place}."
    if outcome.replaced:
        yield f"Replaced: {outcome.replaced:,} from earlier loads."
    if outcome.taken_out:
        yield f"Removed: {outcome.taken_out:,} from earlier loads. They are withheld from now on."
    if tally.with_several_patients:
        yield f"Beneficiaries with more than one Patient: {tally.with_several_patients:,}."


def _counted(resources: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(resources.items())) or "nothing"
