import datetime as dt

import pytest

from attribution.formats import FORMATS
from attribution.formats.base import BadFileName, Kind
from attribution.formats.cclf import names
from attribution.models import RosterFile


def test_the_kinds_are_those_of_the_model() -> None:
    assert {kind.value for kind in Kind} == set(RosterFile.Kind.values)


def test_the_name_of_an_archive_says_whose_it_is_of_what_and_of_when() -> None:
    name = names.archive("T.BCD.A9994.ZCR25.D261101.T1002034")

    assert name.is_test is True
    assert name.entity_id == "A9994"
    assert name.kind is Kind.RUNOUT
    assert name.performance_year == 2025
    assert name.made_at == dt.datetime(2026, 11, 1, 10, 2, 3, 400_000, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "file_name",
    [
        "incoming/2026/P.BCD.D9990.ZCY26.D261101.T1000000",
        r"C:\rosters\P.BCD.D9990.ZCY26.D261101.T1000000.zip",
        "P.BCD.D9990.ZCY26.D261101.T1000000.ZIP",
    ],
)
def test_folders_and_the_ending_of_zip_files_do_not_matter(file_name: str) -> None:
    name = names.archive(file_name)

    assert names.is_archive(file_name)
    assert name.name == "P.BCD.D9990.ZCY26.D261101.T1000000"
    assert name.is_test is False


@pytest.mark.parametrize(
    "file_name",
    [
        "",
        "roster.zip",
        "T.A9994.ZCY26.D261101.T1000000",
        "T.BCD.A9994.ZCY26.E261101.T1000000",
        "T.BCD.A9994.ZCY26.D261101.Z1000000",
        "T.BCD.A9994.ZCX26.D261101.T1000000",
        "X.BCD.A9994.ZCY26.D261101.T1000000",
        "T.BCD.A9994.ZCY26.D261101.T1000000.gz",
        "T.BCD.A9994.ZCY26.D261101.T1000000\n",
        "T.BCD.A9994.ZCY26.D26110\u0661.T1000000",
        "T.A9994.BCD.ZCY26.D261101.T1000000",
        "T.BCD.A9994.ACO.ZCY26.D261101.T1000000",
        "T.BCD.A9994.ZCY26.D261101.T1000000 (final)",
        "T.BCD.A9994.ZCY26.D261101.T1000000 (1234).zip",
        "x" * 5000,
    ],
)
def test_a_file_with_any_other_name_is_no_archive(file_name: str) -> None:
    assert not names.is_archive(file_name)
    assert not FORMATS["cclf"].recognizes(file_name, b"PK\x03\x04")
    with pytest.raises(BadFileName, match=r"is not the name of a CCLF archive.*P\.BCD\.A9994") as raised:
        names.archive(file_name)

    assert len(str(raised.value)) < 300
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "file_name",
    [
        "P.A9994.ACO.ZCY26.D260211.T1435560",
        "P.A9994.ACO.ZCY26.D260211.T1435560.zip",
        "P.A9994.ACO.ZCY26.D260211.T1435560 (1).zip",
        "P.A9994.ACO.ZCY26.D260211.T1435560(12).ZIP",
        "P.A9994.ACO.ZCY26.D260211.T1435560-2.zip",
        "P.A9994.ACO.ZCY26.D260211.T1435560 - Copy.zip",
        "P.A9994.ACO.ZCY26.D260211.T1435560 - Copy (2).zip",
        "P.A9994.ACO.ZCY26.D260211 (1).T1435560",
        "Downloads/P.A9994.ACO.ZCY26.D260211.T1435560 (1)",
    ],
)
def test_the_name_is_the_one_that_cms_gave_whatever_a_browser_made_of_it(file_name: str) -> None:
    name = names.archive(file_name)

    assert FORMATS["cclf"].recognizes(file_name, b"PK")
    assert (name.name, name.entity_id) == ("P.A9994.ACO.ZCY26.D260211.T1435560", "A9994")


@pytest.mark.parametrize("name", ["P.A9994.ACO.ZCWY26.D260211.T1435560", "P.BCD.A9994.ZCWR25.D260211.T1435560.zip"])
def test_a_weekly_archive_is_named_for_what_it_is(name: str) -> None:
    assert FORMATS["cclf"].recognizes(name, b"PK")
    with pytest.raises(
        BadFileName, match=r"is a weekly CCLF archive \(ZCW\)\. .*monthly archive, whose name has ZC[YR]2"
    ):
        names.archive(name)


@pytest.mark.parametrize("name", ["P.A9994.ACO.ZC8Y26.D260211.T1435560", "P.CEC.ZCAY26.D260211.T1435560.zip"])
def test_one_file_of_an_archive_is_named_for_what_it_is(name: str) -> None:
    assert FORMATS["cclf"].recognizes(name, b"1S00")
    with pytest.raises(BadFileName, match=r"one of the files in a CCLF archive\. Load the whole archive"):
        names.archive(name)


def test_an_archive_is_known_by_its_name_however_damaged_it_is() -> None:
    assert FORMATS["cclf"].recognizes("T.BCD.A9994.ZCY26.D261101.T1000000", b"not a zip")


@pytest.mark.parametrize("moment", ["D261301.T1000000", "D260230.T1000000", "D261101.T2500000", "D000000.T0000000"])
def test_a_moment_that_does_not_exist_is_refused(moment: str) -> None:
    with pytest.raises(BadFileName, match="has a date or time that does not exist"):
        names.archive(f"T.BCD.A9994.ZCY26.{moment}")


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        ("T.BCD.A9994.ZCY26.D261101.T1000000", "T.BCD.A9994.ZC8Y26.D261101.T1000009"),
        ("P.BCD.D9990.ZCR25.D261101.T1000000", "P.D9990.ACO.ZC8R25.D261101.T1000009"),
        ("P.BCD.C9990.ZCY26.D261101.T1000000", "P.C9990.ACO.ZC0Y26.D261101.T1000109"),
    ],
)
def test_a_file_fits_the_archive_it_came_in_whatever_the_time(outside: str, inside: str) -> None:
    assert not list(names.differences(names.member(inside), names.archive(outside), program="SSP"))


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        (
            "T.BCD.A9995.ZC8Y26.D261101.T1000009",
            "organization in the name is A9995, but in the archive's name it is A9994. Choose the archive of A9994.",
        ),
        ("T.CEC.ZC8Y26.D261101.T1000009", "organization in the name is CEC"),
        ("T.BCD.SSP.ZC8Y26.D261101.T1000009", "organization in the name is SSP"),
        ("P.BCD.A9994.ZC8Y26.D261101.T1000009", "environment in the name is production"),
        ("T.BCD.A9994.ZC8R26.D261101.T1000009", "kind in the name is runout"),
        ("T.BCD.A9994.ZC8Y25.D261101.T1000009", "performance year in the name is 2025"),
        ("T.BCD.A9994.ZC8Y26.D261001.T1000009", "date in the name is 2026-10-01"),
    ],
)
def test_a_file_that_contradicts_its_archive_is_told_how(inside: str, what: str) -> None:
    outside = names.archive("T.BCD.A9994.ZCY26.D261101.T1000000")

    differences = list(names.differences(names.member(inside), outside, program="SSP"))

    assert len(differences) == 1
    assert what in differences[0]
    assert "Choose the archive of" in differences[0] or "The archive was probably renamed." in differences[0]


@pytest.mark.parametrize(
    ("program", "owner"), [("SSP", "BCD.X9990"), ("REACH", "X9990.ACO"), ("IOTA", "X9990.PRT"), ("CEC", "CEC")]
)
def test_files_inside_an_archive_spell_the_organization_as_their_program_does(program: str, owner: str) -> None:
    assert names.owner_in_members(program, "X9990") == owner
