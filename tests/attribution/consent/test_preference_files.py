"""What a preference file must look like, and what is wrong with one that doesn't."""

import datetime as dt
import io
import random

import pytest

from attribution.consent import preference_file
from attribution.consent.preference_file import Line
from attribution.formats.base import BadFileName
from attribution.problems import Problem
from tests.attribution.consent.files import HEADER, NAME, line, text, trailer

MBI, OTHER = "1S00A00AA00", "1S00A00AA01"


def read(content: str | bytes) -> list[Line | Problem]:
    raw = content.encode() if isinstance(content, str) else content
    return list(preference_file.lines(io.BytesIO(raw), NAME))


def problems(content: str | bytes) -> list[str]:
    return [str(each).removeprefix(NAME) for each in read(content) if isinstance(each, Problem)]


def test_a_line_is_459_characters():
    assert len(line(MBI)) == 459


def test_preferences_are_read_with_their_lines():
    assert read(text(line(MBI, "N", dt.date(2026, 1, 2)), line(OTHER, "Y"), line(MBI, "", "        ", source=""))) == [
        Line(2, MBI, "N", dt.date(2026, 1, 2), "1-800"),
        Line(3, OTHER, "Y", dt.date(2026, 1, 15), "1-800"),
        Line(4, MBI, "", None, ""),
    ]


@pytest.mark.parametrize(
    "content",
    [
        text(line(MBI)).replace("\n", "\r\n"),
        text(line(MBI)) + "\x1a",
        text(line(MBI)) + "\n\r\n",
        text(line(MBI)).rstrip("\n"),
        text(line(MBI).replace("Ana", "Añ ")),
        text(line(MBI).replace("Ana", "Añ ")).encode("latin-1"),
        text(line(MBI).replace("19500101", "how old?")),
        text(line(MBI), count=f"{1:010}"),
    ],
)
def test_what_is_not_used_is_not_wrong(content):
    assert [each.mbi for each in read(content)] == [MBI]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", ": The file is empty."),
        ("\n", ": The file is empty."),
        (text(line(MBI))[5:], ":1:1: The first line must be a header"),
        (text(line(MBI)).replace(HEADER, "HDR_BENEDATASHR20261315"), ":1:16: The date of the header must be a date"),
        (f"{HEADER}\n{line(MBI)}\n", ":2: The file has no trailer"),
        (f"{HEADER}\n", ":1: The file has no trailer"),
        (text(line(MBI), count=2), ":3:24: The file has 1 preferences, but its trailer states 2. It was probably cut"),
        (text(line(MBI), count=0), ":3:24: The file has 1 preferences, but its trailer states 0. It may have been"),
        (text(line(MBI), count="many"), ":3:24: The trailer must state the number of lines."),
        (text(line(MBI), count="²"), ":3:24: The trailer must state the number of lines."),
        (text(line(MBI)) + line(OTHER), ":4:1: Nothing can come after the trailer."),
        (text(line(MBI)[:-1]), ":2:459: A line must have 459 characters. This one has 458."),
        (text(line(MBI) + " "), ":2:460: A line must have 459 characters. This one has 460."),
        (text(line(MBI) + " " * 5000), ":2:460: A line must have 459 characters. This one has at least 4,096."),
        (text(""), ":2:1: A line must have 459 characters. This one has 0."),
        (text(line("1000000019")), ":2:1: An MBI has 11 characters. This one has 10."),
        (text(line("")), ":2:1: An MBI has 11 characters. This one has 0."),
        (text(line("1!00A00AA00")), ":2:2: Character 2 of an MBI must be a capital letter."),
        (text(line(MBI, "X")), ":2:369: The preference must be Y, N or blank."),
        (text(line(MBI, "n")), ":2:369: The preference must be Y, N or blank."),
        (text(line(MBI, "N", "20260230")), ":2:355: The effective date must be a date"),
        (text(line(MBI, "N", "        ")), ":2:355: The effective date must be a date"),
        (text(line(MBI, "", "2026-1-1")), ":2:355: The effective date must be a date"),
        (text(line(MBI, "N", "00010101")), ":2:355: The effective date must be a date"),
        (
            f"{HEADER}\n{line(MBI)[:100]}",
            ":2:101: A line must have 459 characters. This one has 100. It was probably cut",
        ),
        (text(line(MBI)).encode("utf-16"), ":1:1: The first line must be a header"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content, problem):
    found = problems(content)

    assert found
    assert found[0].startswith(problem), found
    assert not any(MBI in each for each in found)


def test_only_the_preferences_are_counted():
    assert problems(text(line(MBI), line(OTHER))) == []
    assert problems(f"{HEADER}\n{trailer(0)}\n") == []


@pytest.mark.parametrize(
    "name",
    [
        "P#EFT.ON.ACO.NGD1800.DPRF.D181120.T1000009",
        "T#EFT.ON.ACO.NGD1800.DPRF.D190816.T0241390",
        "P%23EFT.ON.ACO.NGD1800.DPRF.D181120.T1000009",
        "P.EFT.ON.ACO.NGD1800.DPRF.D181120.T1000009",
        "P_EFT.ON.ACO.NGD1800.DPRF.D181120.T1000009 (1).txt",
    ],
)
def test_names_of_cms_are_accepted_in_any_folder(name):
    assert preference_file.name_of(f"C:\\Downloads\\{name}") == name
    assert preference_file.name_of(f"/home/you/{name}") == name


@pytest.mark.parametrize(
    "name",
    ["", "preferences.csv", "P#EFT.ON.ACO.NGD1800.DPRF.D181120.T100000", "P.A9994.ACO.ZCY26.D260211.T1435560.zip"],
)
def test_another_name_is_refused(name):
    with pytest.raises(BadFileName, match=r"is not a preference file from CMS\. Its name looks like P#EFT"):
        preference_file.name_of(name)


def test_random_damage_is_a_problem_or_other_preferences_and_never_a_crash():
    chance = random.Random(1)
    good = text(line(MBI), line(OTHER, "Y")).encode()
    for _ in range(2000):
        damaged = bytearray(good)
        at = chance.randrange(len(good))
        damaged[at : at + chance.choice([0, 1, 5, 460])] = chance.randbytes(chance.choice([0, 1, 5, 460]))

        assert all(isinstance(each, Line | Problem) for each in read(bytes(damaged)))


def test_random_bytes_never_crash_it():
    chance = random.Random(2)
    for _ in range(500):
        assert all(isinstance(each, Problem) for each in read(chance.randbytes(chance.randrange(1000))))
