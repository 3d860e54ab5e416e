import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from attribution import filenames, validation
from attribution.parsers.base import Row, UnreadableRoster
from attribution.problems import KEPT_AT_MOST, Problem, ProblemList
from tests.attribution.archives import MBIS, NAME

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Lines:
    """A roster of these lines."""

    lines: tuple[bytes, ...]
    record_count: int
    record_length: int = 549
    file: str = "T.BCD.A9994.ZC8Y26.D261101.T1000002"
    breaks_off: bool = False

    def rows(self) -> Iterator[Row]:
        for number, line in enumerate(self.lines, start=1):
            yield Row(number, line[:11].decode("latin-1").rstrip(), line)
        if self.breaks_off:
            raise UnreadableRoster(Problem(self.file, None, None, "It breaks off."))


def lines(*content: bytes, **facts) -> Lines:
    return Lines(content, **{"record_count": len(content), **facts})


def problems_of(roster: Lines) -> ProblemList:
    problems = ProblemList()
    list(validation.good_rows(roster, problems))
    return problems


def test_good_rows_pass() -> None:
    problems = ProblemList()

    rows = list(validation.good_rows(lines(*(mbi.encode() for mbi in MBIS)), problems))

    assert [row.mbi for row in rows] == list(MBIS)
    assert not problems


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        (b"", 1, "empty"),
        (b"     ", 1, "empty"),
        (b"1S00A00AA0", 1, "11 characters. This one has 10"),
        (b"1S00A00AA0 2030", 1, "11 characters. This one has 10"),
        (b" 1S00A00AA00", 1, "a digit from 1 to 9"),
        (b"1s00A00AA00", 2, "Character 2"),
        (b"1S00A00AA0X 2030", 11, "Character 11"),
        (b"1S00A00AA00 Pe\xf1a", 15, "0xF1 is not a printable ASCII"),
        (b"1S00A00AA00\x00", 12, "0x00"),
        (b"\xef\xbb\xbf1S00A00AA00", 1, "0xEF"),
        (b"1S00A00AA00\t", 12, "0x09"),
        (b"1S00A00AA00\r1S00A00AA01", 12, "0x0D"),
        (b"1S00A00AA00" + b"x" * 539, 550, "longer than the 549"),
    ],
)
def test_a_bad_row_is_told_with_line_and_column(line: bytes, column: int, said: str) -> None:
    problems = problems_of(lines(b"1S00A00AA00", line))

    assert problems.total == 1
    assert (problems.kept[0].line, problems.kept[0].column) == (2, column)
    assert said in problems.kept[0].reason
    assert "1S00A00" not in str(problems.kept[0])


def test_spaces_at_the_end_do_not_make_a_line_too_long() -> None:
    assert not problems_of(lines(b"1S00A00AA00" + b" " * 600))


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (3, "has 2 records, but CCLF0 states 3. It was probably cut short."),
        (1, "has 2 records, but CCLF0 states 1. It may have been changed."),
        (0, "CCLF0 states 0."),
    ],
)
def test_the_number_of_records_must_be_the_stated_one(stated: int, said: str) -> None:
    problems = problems_of(lines(b"1S00A00AA00", b"1S00A00AA01", record_count=stated))

    assert problems.total == 1
    assert said in problems.kept[0].reason


def test_a_roster_of_nobody_is_a_problem() -> None:
    problems = problems_of(lines())

    assert "An empty roster can't be published" in problems.kept[0].reason


def test_a_file_that_breaks_off_is_a_problem_and_not_an_exception() -> None:
    problems = problems_of(lines(b"1S00A00AA00", breaks_off=True))

    assert [problem.reason for problem in problems.kept] == ["It breaks off."]


def test_a_hundred_problems_are_kept_and_all_are_counted() -> None:
    problems = problems_of(lines(*[b"x"] * 1334))

    assert len(problems.kept) == KEPT_AT_MOST
    assert problems.total == 1334
    assert len(problems.as_json()) == KEPT_AT_MOST + 1
    assert problems.as_json()[-1]["reason"] == "And 1,234 more problems like these."


def test_a_problem_reads_as_compilers_write_theirs() -> None:
    assert str(Problem("file", 7, 11, "Why.")) == "file:7:11: Why."
    assert str(Problem("file", None, None, "Why.")) == "file: Why."


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("T.BCD.A9995.ZCY26.D261101.T1000000", "is for A9995, but you uploaded it for A9994"),
        ("T.BCD.A9994.ZCY26.D261122.T0000001", "in the future"),
        ("T.BCD.A9994.ZCY28.D261101.T1000000", "performance year 2028 is too far after"),
        ("P.BCD.A9994.ZCY26.D261101.T1000000", "A9994 is a sandbox"),
    ],
)
def test_a_name_can_speak_against_a_file(name: str, said: str) -> None:
    problems = list(validation.name_problems(filenames.archive(name), entity_id="A9994", is_sandbox=True, now=NOW))

    assert len(problems) == 1
    assert said in problems[0].reason


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        "T.BCD.A9994.ZCR25.D261101.T1000000",
        "P.BCD.A9994.ZCY27.D261122.T0000000",
        "P.BCD.A9994.ZCY18.D181120.T1000000",
    ],
)
def test_files_of_any_age_are_welcome(name: str) -> None:
    assert not list(validation.name_problems(filenames.archive(name), entity_id="A9994", is_sandbox=False, now=NOW))
