import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from attribution.models import RosterFile
from tests.attribution.archives import MBIS, NAME, REAL_A9988, archive, zip64
from tests.world import OrganizationFactory, World


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(archive().getvalue())
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / NAME.replace("D261101", "D261102")
    path.write_bytes(archive(path.name, [MBIS[0], "bad", "1S00A00AAXX"]).getvalue())
    return path


def test_it_tells_what_came_of_a_published_roster(world: World, good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_roster", good)

    said = capsys.readouterr()
    assert said.out == f"{NAME}: published for A9994, current 2026: 3 beneficiaries, 3 joined, 0 left.\n"
    assert said.err == ""


def test_an_archive_whose_directory_points_far_outside_is_refused(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / NAME
    path.write_bytes(zip64(2**62))

    with pytest.raises(CommandError, match=r"1 of 1 refused\."):
        call_command("load_roster", path)

    assert "is not where it should be" in capsys.readouterr().err
    assert RosterFile.objects.get().status == RosterFile.Status.REFUSED


def test_it_loads_a_real_file(db, capsys: pytest.CaptureFixture[str]) -> None:
    OrganizationFactory(entity_id="A9988", is_sandbox=True)

    call_command("load_roster", str(REAL_A9988))

    assert "published for A9988, current 2018: 6 beneficiaries" in capsys.readouterr().out


def test_it_fails_with_every_problem_on_a_line_and_still_loads_the_other_files(
    world: World, good: Path, bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match=r"1 of 2 refused\.") as raised:
        call_command("load_roster", bad, good)

    member = bad.name.replace("ZCY", "ZC8Y")
    assert raised.value.returncode == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{member}:2:1: An MBI has 11 characters. This one has 3.",
        f"{member}:3:10: Character 10 of an MBI must be a digit. Here it is not.",
    ]
    assert RosterFile.objects.published().get().file_name == NAME


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("roster.zip", "is not the name of a CCLF archive"),
        ("P.BCD.A0000.ZCY26.D261101.T1000000", "There is no organization with the entity ID A0000"),
        ("missing/file", "No such file or directory"),
    ],
)
def test_a_file_that_is_nobodys_is_told_like_a_problem(
    world: World, good: Path, name: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = good.parent / name
    if "missing" not in name:
        good.rename(path)

    with pytest.raises(CommandError):
        call_command("load_roster", path)

    said = capsys.readouterr().err
    assert said.startswith(f"{path.name}: ")
    assert reason in said


def test_it_writes_json(world: World, good: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError):
        call_command("load_roster", good, bad, "--json")

    published, refused = json.loads(capsys.readouterr().out)
    assert published == {
        "file": NAME,
        "status": "published",
        "organization": "A9994",
        "kind": "current",
        "performance_year": 2026,
        "beneficiaries": 3,
        "joined": 3,
        "left": 0,
        "problems": [],
        "warnings": [],
        "needs_approval": False,
    }
    assert refused["status"] == "refused"
    assert [problem["line"] for problem in refused["problems"]] == [2, 3]


def test_it_says_what_is_unusual_about_a_roster_that_it_publishes(
    world: World, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good.write_bytes(archive(good.name, [*MBIS[:3], MBIS[1]]).getvalue())

    call_command("load_roster", good)

    said = capsys.readouterr()
    assert f"Warning: {NAME.replace('ZCY', 'ZC8Y')}:4: 1 beneficiary is on more than one line" in said.out
    assert said.err == ""


def test_it_takes_a_test_file_for_a_production_organization_only_when_told(
    world: World, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = NAME.replace("P.BCD", "T.BCD")
    path = good.with_name(name)
    path.write_bytes(archive(name).getvalue())

    with pytest.raises(CommandError, match=r"1 of 1 refused\."):
        call_command("load_roster", path)
    told = capsys.readouterr().err
    call_command("load_roster", path, accepts_test_file=True)

    assert "an operator can load it: load_roster --accept-test-file." in told
    assert f"Warning: {name}: This is a test file." in capsys.readouterr().out


def test_the_organization_may_be_named_beside_a_file_that_names_it_too(world: World, good: Path) -> None:
    call_command("load_roster", good, organization="A9994")

    assert RosterFile.objects.published().get().organization == world.harbor


def test_a_file_of_another_organization_than_the_named_one_is_refused(
    world: World, good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match=r"1 of 1 refused\."):
        call_command("load_roster", good, organization="D9990")

    assert "The file is for A9994, but you uploaded it for D9990." in capsys.readouterr().err
    assert not RosterFile.objects.published().exists()


def test_an_organization_that_does_not_exist_has_no_rosters(world: World, good: Path) -> None:
    with pytest.raises(CommandError, match="There is no organization with the entity ID A0000"):
        call_command("load_roster", good, organization="A0000")

    assert not RosterFile.objects.exists()


def test_a_preview_is_not_published(world: World, tmp_path) -> None:
    path = tmp_path / NAME
    path.write_bytes(archive().getvalue())

    printed = io.StringIO()
    call_command("load_roster", str(path), "--preview", stdout=printed)

    assert f"{NAME}: previewed for A9994" in printed.getvalue()
    assert RosterFile.objects.get().status == RosterFile.Status.PREVIEWED


def test_a_large_change_takes_a_reason(world: World, tmp_path) -> None:
    october = "P.BCD.A9994.ZCY26.D261001.T1000000"
    for name, mbis in ((october, MBIS[:15]), (NAME, MBIS[:3])):
        (tmp_path / name).write_bytes(archive(name, mbis).getvalue())
    call_command("load_roster", str(tmp_path / october), stdout=io.StringIO())
    printed = io.StringIO()

    with pytest.raises(CommandError, match="1 of 1 not published"):
        call_command("load_roster", str(tmp_path / NAME), stdout=printed)
    call_command("load_roster", str(tmp_path / NAME), "--accept-swing", "Practices left.", stdout=io.StringIO())

    assert "--accept-swing REASON" in printed.getvalue()
    assert [each.status for each in RosterFile.objects.order_by("pk")] == ["published", "previewed", "published"]
    assert RosterFile.objects.latest("pk").swing_reason == "Practices left."
