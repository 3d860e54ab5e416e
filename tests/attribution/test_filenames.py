import datetime as dt

import pytest

from attribution import filenames
from attribution.filenames import BadFileName, Environment, Kind
from attribution.models import RosterFile


def test_the_kinds_are_those_of_the_model() -> None:
    assert {kind.value for kind in Kind} == set(RosterFile.Kind.values)


def test_the_name_of_an_archive_says_whose_it_is_of_what_and_of_when() -> None:
    name = filenames.archive("T.BCD.A9994.ZCR25.D261101.T1002034")

    assert name.environment is Environment.TEST
    assert name.entity_id == "A9994"
    assert name.model.program == "SSP"
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
    name = filenames.archive(file_name)

    assert name.text == "P.BCD.D9990.ZCY26.D261101.T1000000"
    assert name.environment is Environment.PRODUCTION


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
        "T.BCD.A9994.ZC8Y26.D261101.T1000000",
        "x" * 5000,
    ],
)
def test_any_other_name_is_refused_with_an_example(file_name: str) -> None:
    with pytest.raises(BadFileName, match=r"is not the name of a CCLF archive.*T\.BCD\.A9994") as raised:
        filenames.archive(file_name)

    assert len(str(raised.value)) < 300
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("entity_id", ["ACOB", "V001", "GUIDE-0001", "DA0001"])
def test_a_program_that_is_not_served_is_refused_with_those_that_are(entity_id: str) -> None:
    with pytest.raises(BadFileName, match=rf"{entity_id}, which is not an entity ID.*D9990 \(ACO REACH\)"):
        filenames.archive(f"T.BCD.{entity_id}.ZCY26.D261101.T1000000")


@pytest.mark.parametrize("moment", ["D261301.T1000000", "D260230.T1000000", "D261101.T2500000", "D000000.T0000000"])
def test_a_moment_that_does_not_exist_is_refused(moment: str) -> None:
    with pytest.raises(BadFileName, match="has a date or time that does not exist"):
        filenames.archive(f"T.BCD.A9994.ZCY26.{moment}")


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        ("T.BCD.A9994.ZCY26.D261101.T1000000", "T.BCD.A9994.ZC8Y26.D261101.T1000009"),
        ("P.BCD.D9990.ZCR25.D261101.T1000000", "P.D9990.ACO.ZC8R25.D261101.T1000009"),
        ("P.BCD.C9990.ZCY26.D261101.T1000000", "P.C9990.ACO.ZC0Y26.D261101.T1000109"),
    ],
)
def test_a_file_fits_the_archive_it_came_in_whatever_the_time(outside: str, inside: str) -> None:
    assert not list(filenames.differences(filenames.member(inside), filenames.archive(outside)))


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        (
            "T.BCD.A9995.ZC8Y26.D261101.T1000009",
            "organization in the name is BCD.A9995, but in the archive's name it is BCD.A9994",
        ),
        ("T.A9994.ACO.ZC8Y26.D261101.T1000009", "organization"),
        ("P.BCD.A9994.ZC8Y26.D261101.T1000009", "environment in the name is production"),
        ("T.BCD.A9994.ZC8R26.D261101.T1000009", "kind in the name is runout"),
        ("T.BCD.A9994.ZC8Y25.D261101.T1000009", "performance year in the name is 2025"),
        ("T.BCD.A9994.ZC8Y26.D261001.T1000009", "date in the name is 2026-10-01"),
    ],
)
def test_a_file_that_contradicts_its_archive_is_told_how(inside: str, what: str) -> None:
    outside = filenames.archive("T.BCD.A9994.ZCY26.D261101.T1000000")

    differences = list(filenames.differences(filenames.member(inside), outside))

    assert len(differences) == 1
    assert what in differences[0]


@pytest.mark.parametrize(("program", "owner"), [("SSP", "BCD.X9990"), ("REACH", "X9990.ACO"), ("KCC", "X9990.ACO")])
def test_files_inside_an_archive_spell_the_organization_as_their_program_does(program: str, owner: str) -> None:
    assert filenames.owner_in_members(program, "X9990") == owner
