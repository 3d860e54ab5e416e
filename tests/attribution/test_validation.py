import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from attribution import validation
from attribution.formats.base import Label, Promise, Row, UnreadableRoster
from attribution.formats.cclf import names
from attribution.problems import Problem, as_json
from credentials.problem_list import ProblemList
from tests.attribution.archives import MBIS, NAME

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Lines:
    """A roster of these lines: an MBI at column 5 of each, or what the format says of it."""

    lines: tuple[str | Problem, ...]
    promise: Promise | None
    file: str = "list.csv"
    breaks_off: bool = False

    def rows(self) -> Iterator[Row | Problem]:
        for number, line in enumerate(self.lines, start=1):
            yield line if isinstance(line, Problem) else Row(number, 5, line)
        if self.breaks_off:
            raise UnreadableRoster(Problem(self.file, None, None, "It breaks off."))


def lines(*content: str | Problem, **facts) -> Lines:
    return Lines(content, **{"promise": Promise(len(content), "CCLF0"), **facts})


def problems_of(roster: Lines, *, only_synthetic: bool = False) -> ProblemList:
    problems = ProblemList()
    list(validation.good_rows(roster, problems, ProblemList(), only_synthetic=only_synthetic))
    return problems


def test_good_rows_pass() -> None:
    problems, warnings = ProblemList(), ProblemList()

    rows = list(validation.good_rows(lines(*MBIS), problems, warnings))

    assert [row.mbi for row in rows] == list(MBIS)
    assert not problems
    assert not warnings


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 5, "11 characters. This one has 0"),
        ("1S00A00AA0", 5, "11 characters. This one has 10"),
        (" 1S00A00AA0", 5, "a digit from 1 to 9"),
        ("1s00A00AA00", 6, "Character 2"),
        ("1S00A00AA0X", 15, "Character 11"),
    ],
)
def test_a_text_that_is_no_mbi_is_told_with_line_and_column(text: str, column: int, said: str) -> None:
    problems = problems_of(lines("1S00A00AA00", text))

    assert problems.total == 1
    assert (problems.kept[0].line, problems.kept[0].column) == (2, column)
    assert said in problems.kept[0].reason
    assert "1S00A00" not in str(problems.kept[0])


def test_what_the_format_says_of_a_line_is_a_problem_of_the_roster() -> None:
    problems = problems_of(lines("1S00A00AA00", Problem("list.csv", 2, 1, "The line has 3 columns.")))

    assert [str(problem) for problem in problems.kept] == ["list.csv:2:1: The line has 3 columns."]


@pytest.mark.parametrize("mbi", ["1EG4TE5MK73", "1A69B98CD30"])
def test_what_could_be_a_real_mbi_is_refused_where_only_synthetic_data_may_be(mbi: str) -> None:
    roster = lines("1S00A00AA00", mbi)

    assert not problems_of(roster)
    problems = problems_of(roster, only_synthetic=True)
    assert [(problem.line, problem.column) for problem in problems.kept] == [(2, 5)]
    assert "This MBI could be a real one" in problems.kept[0].reason
    assert mbi not in str(problems.kept[0])


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (4, "has 2 records, but CCLF0 states 4. It was probably cut short."),
        (1, "has 2 records, but CCLF0 states 1. It may have been changed."),
        (0, "CCLF0 states 0."),
    ],
)
def test_the_number_of_records_must_be_the_stated_one(stated: int, said: str) -> None:
    problems = problems_of(lines("1S00A00AA00", "1S00A00AA01", promise=Promise(stated, "CCLF0")))

    assert problems.total == 1
    assert said in problems.kept[0].reason


@pytest.mark.parametrize(
    ("stated", "missing", "is_refused"),
    [
        *((41, 0, False), (41, 1, False), (41, 2, True), (41, -1, True)),
        *((100, 1, False), (100, 2, True), (101, 2, False), (101, 3, True)),
        *((1000, 10, False), (1000, 11, True), (50_000, 10, False), (50_000, 11, True)),
    ],
)
def test_a_few_records_can_be_missing_and_are_told(stated: int, missing: int, *, is_refused: bool) -> None:
    problems, warnings = ProblemList(), ProblemList()
    roster = lines(*["1S00A00AA00"] * (stated - missing), promise=Promise(stated, "CCLF0"))

    list(validation.good_rows(roster, problems, warnings))

    assert problems.total == is_refused
    assert warnings.total == (missing > 0 and not is_refused)


def test_of_one_record_none_can_be_missing() -> None:
    assert "An empty roster" in problems_of(lines(promise=Promise(1, "CCLF0"))).kept[0].reason


@pytest.mark.parametrize("promise", [Promise(0, "CCLF0"), None])
def test_a_roster_of_nobody_is_a_problem(promise: Promise | None) -> None:
    problems = problems_of(lines(promise=promise))

    assert "An empty roster can't be published" in problems.kept[0].reason


def test_a_file_that_breaks_off_is_a_problem_and_not_an_exception() -> None:
    problems = problems_of(lines("1S00A00AA00", breaks_off=True))

    assert [problem.reason for problem in problems.kept] == ["It breaks off."]


def test_a_hundred_problems_are_kept_and_all_are_counted() -> None:
    problems = problems_of(lines(*["x"] * 1334))

    assert len(problems.kept) == problems.at_most
    assert problems.total == 1334
    assert len(as_json(problems)) == problems.at_most + 1
    assert as_json(problems)[-1]["reason"] == "And 1,234 more problems."


def test_a_problem_reads_as_compilers_write_theirs() -> None:
    assert str(Problem("file", 7, 11, "Why.")) == "file:7:11: Why."
    assert str(Problem("file", None, None, "Why.")) == "file: Why."


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("T.BCD.A9995.ZCY26.D261101.T1000000", "is for A9995, but you uploaded it for A9994"),
        ("T.BCD.A9994.ZCY26.D261122.T0000001", "in the future. Check its name: it must be the one that CMS gave it."),
        ("T.BCD.A9994.ZCY28.D261101.T1000000", "performance year 2028 is too far after"),
        ("T.BCD.A9994.ZCY24.D261101.T1000000", "performance year 2024 is too far before"),
        ("T.BCD.A9994.ZCR23.D261101.T1000000", "performance year 2023 is too far before"),
        ("P.BCD.A9994.ZCY26.D261101.T1000000", "A9994 is a sandbox, which can have synthetic data only. Choose a test"),
    ],
)
def test_a_label_can_speak_against_a_file(name: str, said: str) -> None:
    problems = list(validation.label_problems(names.archive(name), entity_id="A9994", is_sandbox=True, now=NOW))

    assert len(problems) == 1
    assert said in problems[0].reason


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        "P.BCD.A9994.ZCR25.D261101.T1000000",
        "P.BCD.A9994.ZCR24.D261101.T1000000",
        "P.BCD.A9994.ZCY25.D260111.T1000000",
        "P.BCD.A9994.ZCY27.D261122.T0000000",
        "P.BCD.A9994.ZCY18.D181120.T1000000",
    ],
)
def test_files_of_any_age_are_welcome(name: str) -> None:
    assert not list(validation.label_problems(names.archive(name), entity_id="A9994", is_sandbox=False, now=NOW))


@pytest.mark.parametrize(
    ("name", "is_sandbox", "accepts_test_file", "is_welcome"),
    [
        (NAME, False, False, True),
        (NAME.replace("P.", "T.", 1), False, False, False),
        (NAME.replace("P.", "T.", 1), False, True, True),
        (NAME.replace("P.", "T.", 1), True, False, True),
    ],
)
def test_a_test_file_is_welcome_in_sandboxes_and_where_an_operator_says_so(
    name: str, *, is_sandbox: bool, accepts_test_file: bool, is_welcome: bool
) -> None:
    label = names.archive(name)

    problems = list(
        validation.label_problems(
            label, entity_id="A9994", is_sandbox=is_sandbox, now=NOW, accepts_test_file=accepts_test_file
        )
    )

    assert [problem.reason[:19] for problem in problems] == ([] if is_welcome else ["This is a test file"])
    assert bool(validation.test_file_warning(label, is_sandbox=is_sandbox)) == (label.is_test and not is_sandbox)


def test_a_file_that_says_nothing_of_itself_is_welcome_anywhere() -> None:
    assert not list(validation.label_problems(Label("roster.csv"), entity_id="A9994", is_sandbox=True, now=NOW))
