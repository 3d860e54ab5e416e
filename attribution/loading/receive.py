"""Receives a roster: recognize -> whose -> parse -> check -> COPY -> compare -> preview, in one transaction.

A roster is previewed whole or refused whole. A refusal is stored with its problems, in its own transaction, and changes
nothing else.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from django.db import connection, transaction
from django.utils import timezone

from attribution import staleness, validation
from attribution.formats import FORMATS
from attribution.formats.base import BadFileName, Label, RosterFormat, UnreadableRoster, shown, without_folders
from attribution.loading import publication, turns
from attribution.models import RosterFile
from attribution.problems import Problem, as_json
from credentials import notices, programs
from credentials.actor import Actor
from credentials.models import Notice, Organization
from credentials.problem_list import ProblemList
from credentials.trail import audit

FIRST_BYTES = 4096
NAME_AT_MOST = 255  # characters, as RosterFile.file_name
READ_BYTES = 2**20
ROWS_A_WRITE = 1000


class UnknownEntity(LookupError):  # noqa: N818  # named for what happened
    """No organization has the entity ID that a file names, or it names none."""


class _Refused(Exception):  # noqa: N818  # named for what happened
    """Rolls back the transaction; never leaves this module."""

    def __init__(self, problems: ProblemList[Problem]) -> None:
        super().__init__()
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A roster file as it was uploaded."""

    format: RosterFormat
    label: Label
    sha256: str
    organization: Organization
    by: Actor
    arrived_at: dt.datetime
    accepts_test_file: bool

    def new_roster(self, status: RosterFile.Status) -> RosterFile:
        label = self.label
        made_at = label.made_at or self.arrived_at
        return RosterFile(
            organization=self.organization,
            kind=RosterFile.Kind(label.kind),
            status=status,
            file_name=label.name,
            sha256=self.sha256,
            performance_year=label.performance_year or made_at.year,
            file_timestamp=made_at,
            received_at=self.arrived_at,
            received_from=self.by.user,
        )


def load_roster(
    file: BinaryIO,
    *,
    file_name: str,
    by: Actor,
    organization: Organization | None = None,
    accepts_test_file: bool = False,
    swing_reason: str = "",
) -> RosterFile:
    """Publish a roster, or refuse it with `.problems`. Either way, the result is a row and an audit event.

    A roster that needs an approval is published with a reason, and without one only previewed. Everything else is as
    with `preview_roster`.
    """

    def publish(roster: RosterFile, repeated_lines: int) -> RosterFile:
        try:
            return publication.publish_as_operator(
                roster, swing_reason=swing_reason, by=by, repeated_lines=repeated_lines
            )
        except publication.NeedsApprovalError:
            return _preview(roster, repeated_lines, by)
        except publication.CannotPublishError as error:
            # The same file was previewed before, and published while this one was read.
            problems: ProblemList[Problem] = ProblemList()
            problems.add(Problem(roster.file_name, None, None, str(error)))
            raise _Refused(problems) from error

    return _received(file, file_name, organization, by=by, accepts_test_file=accepts_test_file, then=publish)


def preview_roster(
    file: BinaryIO,
    *,
    file_name: str,
    by: Actor,
    organization: Organization | None = None,
    accepts_test_file: bool = False,
) -> RosterFile:
    """Check a roster and store it, without publishing it; or refuse it with `.problems`.

    The file must be seekable. It is in the format that recognizes it, and for the organization that it names. If
    `organization` is given, the file must be its own, or name none. Raises BadFileName and UnknownEntity if the file
    can't be matched to an organization; then nothing is written. A test file for an organization that is no sandbox is
    refused unless `accepts_test_file`, which only an operator can say.
    """
    return _received(
        file,
        file_name,
        organization,
        by=by,
        accepts_test_file=accepts_test_file,
        then=lambda roster, lines: _preview(roster, lines, by),
    )


def _received(
    file: BinaryIO,
    file_name: str,
    organization: Organization | None,
    *,
    by: Actor,
    accepts_test_file: bool,
    then: Callable[[RosterFile, int], RosterFile],
) -> RosterFile:
    name = without_folders(file_name)
    found = _recognize(file, name, organization)
    file.seek(0)
    label = found.label(name, file)
    whose = organization or _organization(label)
    delivery = _Delivery(found, label, _sha256(file), whose, by, timezone.now(), accepts_test_file)
    try:
        with transaction.atomic():
            return then(*_store(delivery, file))
    except _Refused as refused:
        with transaction.atomic():
            return _keep_refusal(delivery, refused.problems)


def formats_of(organization: Organization) -> list[RosterFormat]:
    """Return the formats of the rosters that an organization can load, as its program says."""
    program = organization.program
    return [FORMATS[code] for code in program.roster_formats] if program else []


# --- Recognizing ----------------------------------------------------------------------------------------------------


def _recognize(file: BinaryIO, name: str, organization: Organization | None) -> RosterFormat:
    """Return the format that a file looks like; of several, one that the organization uses. Raises BadFileName."""
    file.seek(0)
    first_bytes = file.read(FIRST_BYTES)
    if len(name) > NAME_AT_MOST or not name.isprintable():
        raise BadFileName(f"{shown(name)} can't be the name of a roster. Use the name that CMS gave the file.")
    used = formats_of(organization) if organization else []
    alike = [each for each in FORMATS if each.recognizes(name, first_bytes)]
    if not alike:
        expected = " And it is not ".join(each.expected for each in used or FORMATS)
        raise BadFileName(f"{shown(name)} is not {expected}")
    return next((each for each in alike if each in used), alike[0])


def _organization(label: Label) -> Organization:
    """Return the organization that a file names. Raises BadFileName and UnknownEntity."""
    if label.entity_id is None:
        raise UnknownEntity(
            f"{shown(label.name)} does not say which organization it is for. Name it: --organization A9994."
        )
    if programs.program_of(label.entity_id) is None:
        known = ", ".join(f"{each.entity_ids.example} ({each.name})" for each in programs.PROGRAMS)
        raise BadFileName(
            f"{shown(label.name)} is for {label.entity_id}, which is not an entity ID of a supported program. "
            f"Entity IDs look like {known}."
        )
    try:
        return Organization.objects.get(entity_id=label.entity_id)
    except Organization.DoesNotExist:
        raise UnknownEntity(
            f"There is no organization with the entity ID {label.entity_id}. Add it in the administration. "
            "Then load the file again."
        ) from None


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(READ_BYTES):
        digest.update(block)
    return digest.hexdigest()


# --- Publishing -----------------------------------------------------------------------------------------------------


def _store(delivery: _Delivery, file: BinaryIO) -> tuple[RosterFile, int]:
    """Return the roster, with its beneficiaries, and how many lines only repeat an earlier one."""
    turns.wait_to_load(delivery.organization)
    problems: ProblemList[Problem] = ProblemList()
    for problem in _problems_before_reading(delivery):
        problems.add(problem)
    if problems:
        raise _Refused(problems)
    warnings: ProblemList[Problem] = ProblemList()
    if is_test := validation.test_file_warning(delivery.label, is_sandbox=delivery.organization.is_sandbox):
        warnings.add(is_test)
    repeated_lines = _copy_rows(delivery, file, problems, warnings)
    if problems:
        raise _Refused(problems)
    roster = delivery.new_roster(RosterFile.Status.PREVIEWED)
    roster.warnings = as_json(warnings)
    roster.save()
    _add_entries(roster)
    return roster, repeated_lines


def _preview(roster: RosterFile, repeated_lines: int, by: Actor) -> RosterFile:
    change = publication.compared(roster)
    roster.beneficiary_count, roster.joined_count, roster.left_count = change.later_count, change.joined, change.left
    roster.save()
    audit.record(
        audit.Action.ROSTER_PREVIEWED,
        by,
        organization=roster.organization,
        roster=roster.pk,
        file_name=roster.file_name,
        beneficiaries=roster.beneficiary_count,
        joined=roster.joined_count,
        left=roster.left_count,
        repeated_lines=repeated_lines,
    )
    return roster


def _keep_refusal(delivery: _Delivery, problems: ProblemList[Problem]) -> RosterFile:
    roster = delivery.new_roster(RosterFile.Status.REFUSED)
    roster.problems = as_json(problems)
    roster.save()
    event = audit.record(
        audit.Action.ROSTER_REFUSED,
        delivery.by,
        organization=delivery.organization,
        roster=roster.pk,
        file_name=roster.file_name,
        problem_count=problems.total,
    )
    if delivery.by.user is None:  # a user sees it at once
        facts = {"roster": roster.pk, "file_name": roster.file_name, "problems": f"{problems.total:,}"}
        notices.announce_roster(Notice.Kind.ROSTER_REFUSED, event=event, facts=facts)
    return roster


def _problems_before_reading(delivery: _Delivery) -> Iterator[Problem]:
    label, organization = delivery.label, delivery.organization
    program = organization.program
    if program is None:
        reason = (
            f"{organization.entity_id} isn't an entity ID of its program, so no roster can be loaded for it. "
            "Correct the program or the entity ID in the administration. Then load the file again."
        )
        yield Problem(label.name, None, None, reason)
        return
    if wrong_format := validation.format_problem(label, delivery.format, formats_of(organization), program.name):
        yield wrong_format
    yield from validation.label_problems(
        label,
        entity_id=organization.entity_id,
        is_sandbox=organization.is_sandbox,
        now=delivery.arrived_at,
        # Operators also load rosters of the past, for the history.
        days=staleness.days_of(organization, label.kind) if delivery.by.user else None,
        accepts_test_file=delivery.accepts_test_file,
    )
    if twice := publication.published_before(delivery.new_roster(RosterFile.Status.PREVIEWED)):
        yield Problem(label.name, None, None, twice)


# --- Rows -----------------------------------------------------------------------------------------------------------

# Dropped at the end of the transaction, or with the savepoint if the roster is refused.
_CREATE = """
    CREATE TEMPORARY TABLE incoming_row
    (line integer NOT NULL, mbi varchar(11) NOT NULL)
    ON COMMIT DROP
"""
_COPY = "COPY incoming_row (line, mbi) FROM STDIN"

# A beneficiary can be on several lines, for example with two periods in hospice. The line that repeats an earlier one
# first is told, with a line that it repeats.
_FIND_REPETITIONS = """
    SELECT count(*), coalesce(sum(lines - 1), 0), (array_agg(first ORDER BY again))[1], min(again)
    FROM (SELECT count(*) AS lines, min(line) AS first, max(line) AS again
          FROM incoming_row GROUP BY mbi HAVING count(*) > 1) AS repeated
"""

# The MBI comes first and the beneficiary after it (the foreign key is checked at the commit), so that two loads with
# the same new MBI make one beneficiary: the second waits at the MBI for the first. Both use the order of the MBIs, so
# there is no deadlock.
_ADD_BENEFICIARIES = """
    WITH added AS (
        INSERT INTO attribution_mbi (value, beneficiary_id)
        SELECT mbi, nextval(pg_get_serial_sequence('attribution_beneficiary', 'id'))
        FROM (SELECT DISTINCT mbi FROM incoming_row
              WHERE NOT EXISTS (SELECT FROM attribution_mbi WHERE value = mbi) ORDER BY mbi) AS unknown
        ON CONFLICT (value) DO NOTHING
        RETURNING beneficiary_id
    )
    INSERT INTO attribution_beneficiary (id, created_at) SELECT beneficiary_id, now() FROM added
"""
_ADD_ENTRIES = """
    INSERT INTO attribution_rosterentry (roster_id, beneficiary_id)
    SELECT DISTINCT %s::bigint, beneficiary_id FROM incoming_row JOIN attribution_mbi ON value = mbi
    ORDER BY beneficiary_id
"""


def _copy_rows(
    delivery: _Delivery, file: BinaryIO, problems: ProblemList[Problem], warnings: ProblemList[Problem]
) -> int:
    """Fill incoming_row from the file, or find problems. Return how many lines repeat the MBI of an earlier one."""
    organization, program = delivery.organization, delivery.organization.program
    file.seek(0)
    try:
        roster = delivery.format.open(
            file, delivery.label, entity_id=organization.entity_id, program=program.code if program else ""
        )
    except UnreadableRoster as error:
        problems.add(error.problem)
        return 0
    only_synthetic = organization.is_sandbox and not delivery.label.is_test
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.incoming_row")
        cursor.execute(_CREATE)
        rows = validation.good_rows(roster, problems, warnings, only_synthetic=only_synthetic)
        with cursor.copy(_COPY) as copy:
            while some := list(islice(rows, ROWS_A_WRITE)):
                copy.write("".join(f"{row.line}\t{row.mbi}\n" for row in some))
        cursor.execute("ANALYZE incoming_row")
        cursor.execute(_FIND_REPETITIONS)
        beneficiaries, repeated_lines, first_line, again_on = cursor.fetchone()
    if beneficiaries:
        repetition = validation.repetition(
            roster.file, beneficiaries=beneficiaries, first_line=first_line, again_on=again_on
        )
        warnings.add(repetition)
    return int(repeated_lines)


def _add_entries(roster: RosterFile) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ADD_BENEFICIARIES)
        cursor.execute(_ADD_ENTRIES, [roster.pk])
        # Foreign keys are checked now, not at the commit: exports wait for that, and the time of publication is before.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
