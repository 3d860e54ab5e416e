"""Finds the problems in a roster's rows. Pure. Bad data gives problems, never an exception."""

import datetime as dt
import re
from collections.abc import Iterator

from attribution import identifiers
from attribution.filenames import ArchiveName, Environment
from attribution.parsers.base import Roster, Row, UnreadableRoster
from attribution.problems import Problem, ProblemList

_PRINTABLE = bytes(range(0x20, 0x7F))
_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")


def name_problems(name: ArchiveName, *, entity_id: str, is_sandbox: bool, now: dt.datetime) -> Iterator[Problem]:
    """Return why an archive with this name can't be for an organization, before it is opened."""
    if name.entity_id != entity_id:
        yield Problem(
            name.text,
            None,
            None,
            f"The file is for {name.entity_id}, but you uploaded it for {entity_id}. Choose the file for {entity_id}.",
        )
    if name.made_at > now:
        yield Problem(
            name.text,
            None,
            None,
            f"The date in the name, {name.made_at:%Y-%m-%d %H:%M:%S} UTC, is in the future. "
            "Use the name that CMS gave the file.",
        )
    if name.performance_year > name.made_at.year + 1:
        yield Problem(
            name.text,
            None,
            None,
            f"The performance year {name.performance_year} is too far after the file's date, {name.made_at:%Y-%m}. "
            "Use the name that CMS gave the file.",
        )
    if is_sandbox and name.environment is Environment.PRODUCTION:
        yield Problem(
            name.text,
            None,
            None,
            f"The name says that this is a production file (P), but {entity_id} is a sandbox. "
            "Sandboxes can have synthetic data only.",
        )


def good_rows(roster: Roster, problems: ProblemList) -> Iterator[Row]:
    """Return the valid rows, as a stream; adds problems with other rows, and with their number, to a list.

    An MBI on two lines is found only when all lines are known: see `repetition`.
    """
    count = 0
    try:
        for row in roster.rows():
            count += 1
            problem = row_problem(row, roster)
            if problem is None:
                yield row
            else:
                problems.add(problem)
    except UnreadableRoster as error:
        problems.add(error.problem)
        return
    if count != roster.record_count or count == 0:
        problems.add(_count_problem(roster, count))


def row_problem(row: Row, roster: Roster) -> Problem | None:
    """Return the first problem of a row, or None."""
    record = row.record
    # Removing the printable bytes and looking at the rest is five times faster than searching.
    if record.translate(None, _PRINTABLE) and (match := _UNPRINTABLE.search(record)):
        column = match.start() + 1
        reason = (
            f"The byte 0x{record[column - 1]:02X} is not a printable ASCII character. CCLF files can't have others."
        )
        return Problem(roster.file, row.line, column, reason)
    if not record or record.isspace():
        return Problem(roster.file, row.line, 1, "The line is empty. Remove it.")
    length = len(record.rstrip())
    if length > roster.record_length:
        reason = f"The line is longer than the {roster.record_length} characters that CCLF0 states."
        return Problem(roster.file, row.line, roster.record_length + 1, reason)
    fault = identifiers.fault(row.mbi)
    if fault:
        return Problem(roster.file, row.line, fault.position, fault.reason)
    return None


def repetition(roster: Roster, *, line: int, first_line: int) -> Problem:
    """Return the problem of an MBI on a line that is also, with different details, on an earlier one."""
    reason = f"The MBI of this line is also on line {first_line}, with different details. Correct one of them."
    return Problem(roster.file, line, 1, reason)


def _count_problem(roster: Roster, count: int) -> Problem:
    stated = roster.record_count
    if count == stated == 0:
        return Problem(roster.file, None, None, "The file has no beneficiaries. An empty roster can't be published.")
    likely = "It was probably cut short." if count < stated else "It may have been changed."
    reason = f"The file has {count:,} records, but CCLF0 states {stated:,}. {likely} Send it again as CMS delivered it."
    return Problem(roster.file, None, None, reason)
