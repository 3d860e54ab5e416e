"""CSV rosters: their names, and what stands in them."""

import datetime as dt
import io
import random
import tracemalloc

import pytest

from attribution import identifiers, validation
from attribution.formats import FORMATS
from attribution.formats.base import BadFileName, Kind, Roster, Row, UnreadableRoster
from attribution.problems import Problem
from credentials.problem_list import ProblemList
from tests.attribution.archives import MBIS

CSV = FORMATS["csv"]
NAME = "P.GUIDE.GUIDE-9990.Y26.D261101.T1000000"


def opened(content: bytes, name: str = NAME, program: str = "GUIDE") -> Roster:
    file = io.BytesIO(content)
    return CSV.open(file, CSV.label(name, file), entity_id="GUIDE-9990", program=program)


def rows_of(content: bytes) -> list[Row | Problem]:
    return list(opened(content).rows())


def read(content: bytes) -> list[str]:
    return [row.mbi for row in rows_of(content)]


def refusal(content: bytes, name: str = NAME, program: str = "GUIDE") -> Problem:
    with pytest.raises(UnreadableRoster) as raised:
        list(opened(content, name, program).rows())
    return raised.value.problem


# --- Names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "program", "entity_id"),
    [
        ("P.PCPB.M2611.D261101.T1000000", "MDTCOC", None),
        ("P.BCD.DA9990.MBIY26.D261101.T1000000", "CDAC", "DA9990"),
        (NAME, "GUIDE", "GUIDE-9990"),
        ("P.ACCESS.ACCES99990.Y26.D261101.T1000000", "ACCESS", "ACCES99990"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".csv", ".CSV", ".txt", " (1).csv"])
def test_the_name_says_program_year_and_date(name: str, program: str, entity_id: str | None, ending: str) -> None:
    label = CSV.label(f"folder/{name}{ending}", io.BytesIO())

    assert CSV.recognizes(f"{name}{ending}", b"")
    assert (label.name, label.entity_id, label.kind, label.performance_year) == (name, entity_id, Kind.CURRENT, 2026)
    assert (label.made_at, label.is_test) == (dt.datetime(2026, 11, 1, 10, tzinfo=dt.UTC), False)
    content = f"MBIs\n{MBIS[0]}\n".encode()
    assert [row.mbi for row in opened(content, name, program).rows()] == [MBIS[0]]


def test_a_test_file_says_so() -> None:
    assert CSV.label(NAME.replace("P.", "T.", 1), io.BytesIO()).is_test


@pytest.mark.parametrize(
    "name",
    [
        "",
        "roster.csv",
        "P.PPB.M2411.D181120.T1000000",
        "P.PCPB.M24112.D181120.T1000000",
        "P.PCPB.M2413.D181120.T1000000",
        "P.PCPBPCPB.M2411.D181120.T1000000",
        "T.GUIDE.Y25.D250630.T1000000",
        "T.GUIDE.GUIDE-00001.Y25.D250630.T1000000",
        "T.GUIDE.GUIDE-0001.Y2026.D250630.T1000000",
        "T.ACCESS.ACCES0000001.Y25.D250630.T1000000",
        "T.ACCESS.ACCESS00001.Y25.D250630.T1000000",
        "P.BCD.D9990.MBIY26.D261101.T1000000",
        "P.BCD.DA9990.ZCY26.D261101.T1000000",
        "x" * 5000,
    ],
)
def test_any_other_name_is_none(name: str) -> None:
    assert not CSV.recognizes(name, b"MBIs\n")
    with pytest.raises(BadFileName, match=r"is not the name of a CSV roster, for example P\.GUIDE"):
        CSV.label(name, io.BytesIO())


def test_a_date_that_does_not_exist_is_told() -> None:
    with pytest.raises(BadFileName, match="has a date or time that does not exist"):
        CSV.label(NAME.replace("D261101", "D260230"), io.BytesIO())


def test_a_roster_of_another_program_is_refused_where_its_name_says_no_organization() -> None:
    problem = refusal(b"MBIs\n", "P.PCPB.M2611.D261101.T1000000")

    assert problem.reason == (
        "The name is one of a roster of MDTCOC, but GUIDE-9990 is of GUIDE. Choose its own roster."
    )


@pytest.mark.parametrize(
    ("entity_id", "example"),
    [
        ("CT999990", "P.PCPB.M2611.D261101.T1000000"),
        ("DA9990", "P.BCD.DA9990.MBIY26.D261101.T1000000"),
        ("GUIDE-9990", NAME),
        ("ACCES99990", "P.ACCESS.ACCES99990.Y26.D261101.T1000000"),
    ],
)
def test_the_advice_has_a_name_that_the_organizations_file_can_have(entity_id: str, example: str) -> None:
    assert f"For example: {example}." in CSV.advice(entity_id)
    assert CSV.recognizes(example, b"")


# --- Rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"MBIs\n1S00A00AA00\n1S00A00AA01\n",
        b"MBIs\r\n1S00A00AA00\r\n1S00A00AA01",
        b"\xef\xbb\xbfMBIs\n1S00A00AA00\n1S00A00AA01\n",
        b'\xef\xbb\xbf"MBI","name"\n"1S00A00AA00","A, B"\n"1S00A00AA01","A\nB"\n',
        b"MBI,name\n 1S00A00AA00 ,Pe\xf1a\n1S00A00AA01\t,Pe\xc3\xb1a\n",
        b"MBI,name\n1S00A00AA00,x\n1S00A00AA01,x,y,z\n",
        b"MBI,name\n1S00A00AA00\n1S00A00AA01,\n",
        b"MBIs\n\n1S00A00AA00\n,,\n1S00A00AA01\n\n\n",
        b"MBIs\n1S00A00AA00\n1S00A00AA01\n\x1a",
        b"MBIs\n1S00A00AA00\n1S00A00AA01\x1a",
        b",\n1S00A00AA00,x\n1S00A00AA01,y\n",
    ],
    ids=[
        *("LF", "CRLF, and no end", "byte order mark", "quotes", "blanks and ñ", "more columns", "fewer columns"),
        *("empty lines", "0x1A on a line", "0x1A at the end", "titles without a word"),
    ],
)
def test_the_first_column_is_read_however_the_file_was_written(content: bytes) -> None:
    assert read(content) == list(MBIS[:2])


def test_a_list_without_titles_loses_nobody() -> None:
    assert read(b"1S00A00AA00\n1S00A00AA01\n") == list(MBIS[:2])
    assert read(b"1S00A00AA0\n1S00A00AA01\n") == ["1S00A00AA0", MBIS[1]]


def test_an_mbi_has_its_line_and_column() -> None:
    rows = rows_of(b'MBI,name\n"1S00A00AA00","two\nlines"\n  1S00A00AA01,x\n ,y\n')

    assert [(row.line, row.column) for row in rows] == [(2, 2), (4, 3), (5, 1)]


def test_a_bad_mbi_is_told_with_its_place() -> None:
    problems = ProblemList()

    list(validation.good_rows(opened(b"MBIs\nMBI000001\n 1S00A00AAXX\n\xf1S00A00AA00\n"), problems, ProblemList()))

    assert [(problem.line, problem.column) for problem in problems.kept] == [(2, 1), (3, 11), (4, 1)]
    assert "This one has 9" in problems.kept[0].reason


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("MBIs\n1S00A00AA00\n".encode("utf-16"), "text in UTF-16"),
        ("MBIs\n".encode("utf-16-be"), "text in UTF-16"),
        ("MBIs\n".encode("utf-16-le"), "text in UTF-16"),
        (b"PK\x03\x04", "a zip archive or a workbook"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\n<html>", "a web page"),
    ],
)
def test_what_is_no_list_is_refused_with_what_it_is(content: bytes, why: str) -> None:
    problem = refusal(content)

    assert why in problem.reason
    assert "Download it again" in problem.reason


@pytest.mark.parametrize(
    ("content", "why", "line"),
    [
        (b'MBI\n1S00A00AA00\n"1S00A00AA01\n', "unexpected end of data", 3),
        (b'MBI\n"1S00A00AA00"x\n', "expected after", 2),
        (b'MBI\n"' + b"x\n" * 100, "more than 20 lines", 2),
        (b"MBI\n" + b"x" * 2**17, "more than 65,536 bytes", 2),
        (b"MBI\r1S00A00AA00\r", "new-line character", 1),
    ],
)
def test_rows_that_can_not_be_told_apart_refuse_the_file(content: bytes, why: str, line: int) -> None:
    problem = refusal(content)

    assert why in problem.reason
    assert problem.line == line


def test_a_last_line_that_was_cut_off_is_told() -> None:
    *_, last = rows_of(b"MBI,name,city\n1S00A00AA00,x,y\n1S00A00AA01,x")

    assert isinstance(last, Problem)
    assert (last.line, last.reason.split(".")[0]) == (3, "The last line is cut off: it has 2 of 3 columns")


def test_a_list_of_titles_alone_is_empty() -> None:
    problems = ProblemList()

    list(validation.good_rows(opened(b"MBIs\n"), problems, ProblemList()))

    assert [problem.reason for problem in problems.kept] == [
        "The file has no beneficiaries. An empty roster can't be published."
    ]


def test_memory_does_not_grow_with_the_file() -> None:
    content = io.BytesIO(b"MBI,name\n" + b"1S00A00AA00,x\n" * 200_000)
    roster = CSV.open(content, CSV.label(NAME, content), entity_id="GUIDE-9990", program="GUIDE")

    tracemalloc.start()
    count = sum(1 for _ in roster.rows())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 200_000
    assert most < 2**20


def test_no_broken_list_escapes_as_another_exception() -> None:
    dice = random.Random(20261128)
    whole = b'MBI,name\n"1S00A00AA00","A, B"\n1S00A00AA01,"A\nB"\n 1S00A00AA02 ,x\r\n'
    for _ in range(4000):
        broken = bytearray(whole)
        for _ in range(dice.choice((1, 1, 3))):
            place = dice.randrange(len(broken))
            if dice.random() < 0.6:
                broken[place] = dice.choice((0, 10, 13, 34, 44, 255, dice.randrange(256)))
            elif dice.random() < 0.5:
                del broken[place : place + dice.randrange(1, 30)]
            else:
                broken[place:place] = dice.randbytes(dice.randrange(1, 20))
            broken = broken or bytearray(b"x")
        problems = ProblemList()

        try:
            mbis = [row.mbi for row in validation.good_rows(opened(bytes(broken)), problems, ProblemList())]
        except UnreadableRoster:
            continue

        assert problems or all(identifiers.fault(mbi) is None for mbi in mbis)
