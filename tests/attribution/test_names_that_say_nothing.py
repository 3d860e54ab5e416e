"""A roster whose name, and whose content, say neither whose it is nor when it was made."""

import datetime as dt
import io
from collections.abc import Iterator
from typing import BinaryIO

import pytest
from django.utils import timezone

from attribution import cohorts
from attribution.formats import FORMATS
from attribution.formats.base import BadFileName, Label, RosterFormat, Row
from attribution.loading import UnknownEntity, load_roster, receive
from attribution.models import Mbi, RosterFile
from attribution.problems import Problem
from credentials.actor import Actor
from credentials.models import AuditEvent, Organization
from credentials.registry import Registry
from tests.attribution.archives import MBIS, NAME, archive
from tests.toys.roster_format import FORMAT, OpenList, PatientList
from tests.world import World

LIST = "list.csv"


@pytest.fixture(autouse=True)
def used(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[int, list[RosterFormat]]:
    """Harbor's program uses both kinds of rosters, Mesa's only archives."""
    used = {world.harbor.pk: [FORMATS["cclf"], FORMAT], world.mesa.pk: [FORMATS["cclf"]]}
    monkeypatch.setattr(receive, "FORMATS", Registry("roster formats", lambda each: each.code, *FORMATS, FORMAT))
    monkeypatch.setattr(receive, "formats_of", lambda organization: used[organization.pk])
    return used


def listed(*mbis: str) -> io.BytesIO:
    return io.BytesIO("\n".join(["name,MBI", *(f"Ada,{mbi}" for mbi in mbis)]).encode())


def loaded(file: io.BytesIO, organization: Organization, name: str = LIST) -> RosterFile:
    return load_roster(file, file_name=name, organization=organization, by=Actor())


def reasons(roster: RosterFile) -> list[str]:
    assert roster.status == RosterFile.Status.REFUSED
    return [problem["reason"] for problem in roster.problems]


def test_it_is_of_the_organization_that_is_given_and_of_the_time_of_its_arrival(world: World) -> None:
    before = timezone.now()

    roster = loaded(listed(*MBIS[:3]), world.harbor, "/somewhere/list.csv")

    assert (roster.status, roster.organization, roster.kind) == ("published", world.harbor, "current")
    assert (roster.file_name, roster.beneficiary_count) == (LIST, 3)
    assert before <= roster.file_timestamp == roster.received_at <= timezone.now()
    assert roster.performance_year == roster.received_at.year
    assert not roster.says_when_created
    assert cohorts.current_roster(world.harbor) == roster


def test_an_archive_still_says_when_it_was_created(world: World) -> None:
    assert loaded(archive(), world.harbor, NAME).says_when_created


def test_without_an_organization_it_is_nobodys(world: World) -> None:
    with pytest.raises(UnknownEntity, match=r"'list.csv' does not say which organization .*--organization A9994"):
        load_roster(listed(*MBIS), file_name=LIST, by=Actor())

    assert not RosterFile.objects.exists()
    assert not AuditEvent.objects.exists()


def test_it_comes_again_under_the_same_name_with_others_or_with_the_same(world: World) -> None:
    first = loaded(listed(*MBIS[:3]), world.harbor)

    second = loaded(listed(*MBIS[1:6]), world.harbor)
    third = loaded(listed(*MBIS[1:6]), world.harbor)

    assert [(each.joined_count, each.left_count) for each in (first, second, third)] == [(3, 0), (3, 1), (0, 0)]
    assert cohorts.current_roster(world.harbor) == third


def test_it_is_refused_where_the_program_does_not_use_such_files(world: World) -> None:
    roster = loaded(listed(*MBIS), world.mesa)

    assert reasons(roster) == ["The file is a patient list, which ACO REACH does not use. Choose a CCLF archive."]
    assert not Mbi.objects.exists()


def test_a_file_that_looks_like_two_formats_is_in_the_one_that_the_organization_uses(world: World, used) -> None:
    used[world.harbor.pk] = [FORMAT]

    roster = loaded(listed(*MBIS[:3]), world.harbor, NAME)
    (reason,) = reasons(loaded(listed(*MBIS[:3]), world.mesa, NAME.replace("A9994", "D9990")))

    assert roster.beneficiary_count == 3
    assert "The archive is damaged" in reason


def test_what_looks_like_no_format_is_refused_with_all_that_the_organization_uses(world: World) -> None:
    with pytest.raises(BadFileName) as raised:
        loaded(io.BytesIO(b"%PDF"), world.harbor, "roster.pdf")

    assert str(raised.value) == (
        "'roster.pdf' is not the name of a CCLF archive, for example P.BCD.A9994.ZCY26.D261101.T1000000. "
        "Use the name that CMS gave the file. "
        "And it is not a patient list: text with commas, and with the title MBI in its first line."
    )


def test_a_bad_row_is_told_with_its_place_as_in_any_format(world: World) -> None:
    file = io.BytesIO(b"name,MBI\nAda,1S00A00AA00\nBeatrice,1S00A00AAXX\nCarla\n")

    roster = loaded(file, world.harbor)

    assert [(problem["line"], problem["column"]) for problem in roster.problems] == [(3, 19), (4, 1)]
    assert reasons(roster)[1] == "The line is too short: it has no MBI."


def test_the_limits_are_the_formats_own(world: World) -> None:
    assert "longer than 1,048,576 bytes" in reasons(loaded(listed(*MBIS, "x" * 2**20), world.harbor))[0]


def test_a_sandbox_takes_it_only_with_synthetic_beneficiaries(world: World) -> None:
    Organization.objects.filter(pk=world.harbor.pk).update(is_sandbox=True)
    world.harbor.refresh_from_db()

    assert loaded(listed(*MBIS), world.harbor).status == RosterFile.Status.PUBLISHED
    assert "could be a real one" in reasons(loaded(listed("1EG4TE5MK73"), world.harbor))[0]


def test_one_that_arrived_after_participation_ended_is_not_exported(world: World) -> None:
    loaded(listed(*MBIS), world.harbor)

    today = timezone.now().date()

    assert cohorts.current_roster(world.harbor, until=today - dt.timedelta(days=1)) is None
    assert cohorts.current_roster(world.harbor, until=today) is not None


class Broken(PatientList):
    """A format with a fault of its own, which shows in the middle of a file."""

    code = "broken"

    def open(self, file: BinaryIO, label: Label, *, entity_id: str, program: str) -> OpenList:
        class Roster(OpenList):
            def rows(self) -> Iterator[Row | Problem]:
                yield from super().rows()
                raise ZeroDivisionError

        opened = super().open(file, label, entity_id=entity_id, program=program)
        return Roster(opened.file, opened.place, opened.lines)


def test_a_fault_of_a_format_travels_up_and_nothing_is_written(world: World, used, monkeypatch) -> None:
    broken = Broken()
    monkeypatch.setattr(receive, "FORMATS", Registry("roster formats", lambda each: each.code, broken))
    used[world.harbor.pk] = [broken]

    with pytest.raises(ZeroDivisionError):
        loaded(listed(*MBIS), world.harbor)

    for model in (RosterFile, Mbi, AuditEvent):
        assert not model.objects.exists()
