"""Finds the problems of a roster file that any format can have, and what is unusual. Pure.

Bad data gives problems or warnings, never an exception.
"""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from attribution import identifiers
from attribution.formats.base import Kind, Label, Promise, Roster, RosterFormat, Row, UnreadableRoster
from attribution.problems import Problem
from credentials.problem_list import ProblemList

# How many records can be missing, of those that are stated. A roster with a few less than stated is a real delivery of
# CMS: the records that are there are whole, and a file that was cut off doesn't end with a whole one.
MISSING_AT_MOST = 10
MISSING_SHARE = Fraction(1, 100)  # rounded up


def format_problem(label: Label, found: RosterFormat, used: Sequence[RosterFormat], program: str) -> Problem | None:
    """Return why an organization of a program can't load a file in a format that was found; None if it can."""
    if found in used:
        return None
    others = ", or ".join(each.name for each in used)
    choose = f"Choose {others}." if others else "It has no rosters."
    return Problem(label.name, None, None, f"The file is {found.name}, which {program} does not use. {choose}")


def label_problems(
    label: Label,
    *,
    entity_id: str,
    is_sandbox: bool,
    now: dt.datetime,
    days: int | None = None,
    accepts_test_file: bool = False,
) -> Iterator[Problem]:
    """Return why a file with this label can't be for an organization, before it is opened.

    `days` is how old the file can be, None for any age. `accepts_test_file`: an operator has said that it is meant.
    """
    if label.entity_id not in {None, entity_id}:
        yield Problem(
            label.name,
            None,
            None,
            f"The file is for {label.entity_id}, but you uploaded it for {entity_id}. Choose the file for {entity_id}.",
        )
    if label.made_at and label.made_at > now:
        yield Problem(
            label.name,
            None,
            None,
            f"The date of the file, {label.made_at:%Y-%m-%d %H:%M:%S} UTC, is in the future. "
            "Check its name: it must be the one that CMS gave it. If it is, load the file after that time.",
        )
    made_at = label.made_at or now
    if days and made_at < now - dt.timedelta(days=days):
        yield Problem(
            label.name,
            None,
            None,
            f"The file is from {made_at:%Y-%m-%d}, more than {days} days ago, so exports couldn't use it. "
            "Choose the newest file. For an older one, ask an operator.",
        )
    if label.performance_year and label.performance_year > made_at.year + 1:
        yield Problem(
            label.name,
            None,
            None,
            f"The performance year {label.performance_year} is too far after the file's date, {made_at:%Y-%m}. "
            "Check its name: it must be the one that CMS gave it.",
        )
    if label.performance_year and label.performance_year < made_at.year - (2 if label.kind == Kind.RUNOUT else 1):
        yield Problem(
            label.name,
            None,
            None,
            f"The performance year {label.performance_year} is too far before the file's date, {made_at:%Y-%m}. "
            "Check its name: it must be the one that CMS gave it.",
        )
    if is_sandbox and label.is_test is False:
        yield Problem(
            label.name,
            None,
            None,
            f"This is a production file, but {entity_id} is a sandbox, which can have synthetic data only. "
            "Choose a test file: its name begins with T. Or load this one for your production organization.",
        )
    if label.is_test and not is_sandbox and not accepts_test_file:
        yield Problem(
            label.name,
            None,
            None,
            f"This is a test file, but {entity_id} is not a sandbox. Choose the production file: its name begins with "
            "P. If a test file is meant, an operator can load it: load_roster --accept-test-file.",
        )


def test_file_warning(label: Label, *, is_sandbox: bool) -> Problem | None:
    """Return the warning about a test file that an operator has accepted."""
    if not label.is_test or is_sandbox:
        return None
    return Problem(label.name, None, None, "This is a test file. An operator has loaded it.")


def good_rows(
    roster: Roster, problems: ProblemList[Problem], warnings: ProblemList[Problem], *, only_synthetic: bool = False
) -> Iterator[Row]:
    """Return the valid rows, as a stream; adds problems with other lines, and with their number, to a list.

    An MBI on two lines is found only when all lines are known: see `repetition`.
    """
    count = 0
    try:
        for row in roster.rows():
            count += 1
            if isinstance(row, Problem):
                problems.add(row)
            elif problem := row_problem(row, roster.file, only_synthetic=only_synthetic):
                problems.add(problem)
            else:
                yield row
    except UnreadableRoster as error:
        problems.add(error.problem)
        return
    if of_count := _count_problem(roster.file, count, roster.promise):
        problems.add(of_count)
    elif few := _fewer_than_stated(roster.file, count, roster.promise):
        warnings.add(few)


def row_problem(row: Row, file: str, *, only_synthetic: bool = False) -> Problem | None:
    """Return the first problem of a row, or None."""
    if fault := identifiers.fault(row.mbi):
        return Problem(file, row.line, row.column + fault.position - 1, fault.reason)
    if only_synthetic and not identifiers.is_synthetic(row.mbi):
        reason = (
            "This MBI could be a real one, and sandboxes can have synthetic data only. "
            f"The second character of a synthetic MBI is one of {', '.join(identifiers.EXCLUDED_LETTERS)}."
        )
        return Problem(file, row.line, row.column, reason)
    return None


def repetition(file: str, *, beneficiaries: int, first_line: int, again_on: int) -> Problem:
    """Return the warning about beneficiaries who are on more than one line, of whom one is named by two lines."""
    who = "1 beneficiary is" if beneficiaries == 1 else f"{beneficiaries:,} beneficiaries are"
    example = f"lines {first_line:,} and {again_on:,}"
    reason = f"{who} on more than one line, for example on {example}. Each beneficiary counts once."
    return Problem(file, again_on, None, reason)


def _count_problem(file: str, count: int, promise: Promise | None) -> Problem | None:
    if promise and not 0 <= promise.row_count - count <= _missing_at_most(promise):
        likely = "It was probably cut short." if count < promise.row_count else "It may have been changed."
        reason = (
            f"The file has {count:,} records, but {promise.stated_by} states {promise.row_count:,}. {likely} "
            "Download it again from CMS, and load it without opening or changing it."
        )
        return Problem(file, None, None, reason)
    if count == 0:
        return Problem(file, None, None, "The file has no beneficiaries. An empty roster can't be published.")
    return None


def _missing_at_most(promise: Promise) -> int:
    return min(MISSING_AT_MOST, math.ceil(promise.row_count * MISSING_SHARE))


def _fewer_than_stated(file: str, count: int, promise: Promise | None) -> Problem | None:
    """Return the warning about a number of rows that is no problem, but not the stated one either."""
    if promise is None or count == promise.row_count:
        return None
    reason = (
        f"The file has {count:,} records, but {promise.stated_by} states {promise.row_count:,}. Each record is whole. "
        "Check that nobody is missing."
    )
    return Problem(file, None, None, reason)
