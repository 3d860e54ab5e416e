"""A roster is published whole or refused whole."""

import datetime as dt
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from attribution import cohorts
from attribution.formats.base import BadFileName
from attribution.loading import UnknownEntity, load_roster, receive
from attribution.models import Beneficiary, Mbi, RosterEntry, RosterFile
from credentials.actor import Actor
from credentials.models import AuditEvent, Organization
from credentials.programs import REACH
from credentials.trail.audit import Action
from tests.attribution.archives import (
    CCLF0,
    CCLF8,
    MBIS,
    NAME,
    REAL_A0001,
    REAL_A9988,
    archive,
    counts,
    records,
    zipped,
)
from tests.world import OrganizationFactory, World

OCTOBER = "P.BCD.A9994.ZCY26.D261001.T1000000"
DECEMBER_BEFORE = "P.BCD.A9994.ZCY25.D251201.T1000000"
RUNOUT = "P.BCD.A9994.ZCR25.D261101.T1000000"
MESA = "P.BCD.D9990.ZCY26.D261101.T1000000"


def census() -> dict[str, int]:
    """How many rows there are of all that a load may write."""
    return {model.__name__: model.objects.count() for model in (Beneficiary, Mbi, RosterEntry, RosterFile, AuditEvent)}


def mbis_of(roster: RosterFile) -> set[str]:
    return set(Mbi.objects.filter(beneficiary__roster_entries__roster=roster).values_list("value", flat=True))


def only_reason(roster: RosterFile) -> str:
    assert len(roster.problems) == 1
    return roster.problems[0]["reason"]


def test_a_roster_is_published_with_its_people_and_an_audit_event(world: World) -> None:
    before = timezone.now()

    roster = load_roster(archive(), file_name=NAME, by=Actor(user=world.operator))

    assert (roster.organization, roster.kind, roster.status) == (world.harbor, "current", "published")
    assert (roster.file_name, roster.performance_year, roster.received_from) == (NAME, 2026, world.operator)
    assert roster.file_timestamp == dt.datetime(2026, 11, 1, 10, tzinfo=dt.UTC)
    assert before <= roster.published_at <= timezone.now()
    assert (roster.beneficiary_count, roster.joined_count, roster.left_count) == (3, 3, 0)
    assert roster.problems == []
    assert mbis_of(roster) == set(MBIS[:3])
    assert census() == {"Beneficiary": 3, "Mbi": 3, "RosterEntry": 3, "RosterFile": 1, "AuditEvent": 1}
    event = AuditEvent.objects.for_organization(world.harbor).get()
    assert (event.action, event.user) == (Action.ROSTER_PUBLISHED, world.operator)
    assert event.detail["roster"] == roster.pk
    assert not any(mbi in str(event.detail) for mbi in MBIS)


@pytest.mark.parametrize(
    ("path", "entity_id", "count", "repeated"), [(REAL_A0001, "A0001", 6, 1), (REAL_A9988, "A9988", 6, 0)]
)
def test_real_rosters_are_published(db, path, entity_id: str, count: int, repeated: int) -> None:
    organization = OrganizationFactory(entity_id=entity_id, is_sandbox=True)

    with path.open("rb") as file:
        roster = load_roster(file, file_name=path.name, by=Actor())

    assert (roster.organization, roster.status, roster.beneficiary_count) == (organization, "published", count)
    assert AuditEvent.objects.get().detail["repeated_lines"] == repeated


def test_the_next_month_says_who_joined_and_who_left(world: World) -> None:
    load_roster(archive(OCTOBER, MBIS[:4]), file_name=OCTOBER, by=Actor())

    november = load_roster(archive(NAME, MBIS[1:7]), file_name=NAME, by=Actor())

    assert (november.beneficiary_count, november.joined_count, november.left_count) == (6, 3, 1)
    assert mbis_of(november) == set(MBIS[1:7])
    assert Beneficiary.objects.count() == 7


def test_an_earlier_month_that_arrives_late_is_compared_with_its_own_past(world: World) -> None:
    december = load_roster(archive(DECEMBER_BEFORE, MBIS[:2]), file_name=DECEMBER_BEFORE, by=Actor())
    november = load_roster(archive(NAME, MBIS[5:9]), file_name=NAME, by=Actor())

    october = load_roster(archive(OCTOBER, MBIS[:3]), file_name=OCTOBER, by=Actor())

    assert (october.joined_count, october.left_count) == (1, 0)
    assert cohorts.roster_before(october) == december
    assert cohorts.current_roster(world.harbor) == november


def test_a_runout_roster_is_compared_with_runouts_only(world: World) -> None:
    load_roster(archive(OCTOBER, MBIS[:4]), file_name=OCTOBER, by=Actor())

    runout = load_roster(archive(RUNOUT, MBIS[2:6]), file_name=RUNOUT, by=Actor())

    assert (runout.kind, runout.joined_count, runout.left_count) == ("runout", 4, 0)


def test_a_beneficiary_of_two_organizations_is_one_person(world: World) -> None:
    load_roster(archive(NAME, MBIS[:3]), file_name=NAME, by=Actor())

    mesa = load_roster(archive(MESA, MBIS[2:5]), file_name=MESA, by=Actor())

    assert mesa.organization == world.mesa
    assert (mesa.joined_count, mesa.left_count) == (3, 0)
    assert Beneficiary.objects.count() == Mbi.objects.count() == 5


def test_two_mbis_of_one_person_are_one_beneficiary_on_the_roster(world: World) -> None:
    person = Beneficiary.objects.create()
    Mbi.objects.create(value=MBIS[0], beneficiary=person)
    Mbi.objects.create(value=MBIS[1], beneficiary=person)

    roster = load_roster(archive(NAME, MBIS[:3]), file_name=NAME, by=Actor())

    assert roster.beneficiary_count == RosterEntry.objects.count() == Beneficiary.objects.count() == 2


@pytest.mark.parametrize("details", ["", "2026-05-01", "PEÑA"], ids=["the same", "another hospice date", "a name"])
def test_a_beneficiary_on_several_lines_counts_once_and_is_told(world: World, details: str) -> None:
    content = records(MBIS[:3]) + records(MBIS[1:2], details) + records([MBIS[1]])

    roster = load_roster(zipped({CCLF0: counts(5), CCLF8: content}), file_name=NAME, by=Actor())

    assert (roster.status, roster.beneficiary_count) == ("published", 3)
    assert roster.warnings == [
        {
            "file": CCLF8,
            "line": 5,
            "column": None,
            "reason": "1 beneficiary is on more than one line, for example on lines 2 and 5. "
            "Each beneficiary counts once.",
        }
    ]
    assert AuditEvent.objects.get().detail["repeated_lines"] == 2


def test_many_beneficiaries_on_several_lines_are_one_warning(world: World) -> None:
    mbis = [f"{1 + number % 9}S00A00AA{number:02}" for number in range(100)]
    content = records(mbis) + records(mbis, "HERE") + records(mbis[:30], "THERE")

    roster = load_roster(zipped({CCLF0: counts(230), CCLF8: content}), file_name=NAME, by=Actor())

    assert roster.beneficiary_count == 100
    (warning,) = roster.warnings
    assert warning["reason"].startswith("100 beneficiaries are on more than one line, for example on lines ")


def test_one_record_of_many_that_are_stated_can_be_missing(world: World) -> None:
    content = zipped({CCLF0: counts(20), CCLF8: records(MBIS[:19])})

    roster = load_roster(content, file_name=NAME, by=Actor())

    assert (roster.status, roster.beneficiary_count) == ("published", 19)
    assert [warning["reason"] for warning in roster.warnings] == [
        "The file has 19 records, but CCLF0 states 20. Each record is whole. Check that nobody is missing."
    ]


def test_an_ordinary_roster_has_no_warnings(world: World) -> None:
    assert load_roster(archive(), file_name=NAME, by=Actor()).warnings == []


def test_an_upload_of_the_portal_is_loaded_like_a_file(world: World) -> None:
    upload = SimpleUploadedFile(NAME, archive().getvalue())

    roster = load_roster(upload, file_name=upload.name, by=Actor(user=world.delegate), organization=world.harbor)

    assert roster.beneficiary_count == 3


# --- Refusals -------------------------------------------------------------------------------------------------------


def refused(file: io.BytesIO, name: str = NAME, organization: Organization | None = None) -> RosterFile:
    """Load a file that is refused, and see that nothing but the refusal was written."""
    before = census()

    roster = load_roster(file, file_name=name, organization=organization, by=Actor())

    assert roster.status == RosterFile.Status.REFUSED
    assert roster.published_at is None
    assert (roster.beneficiary_count, roster.joined_count, roster.left_count) == (0, 0, 0)
    after = {**before, "RosterFile": before["RosterFile"] + 1, "AuditEvent": before["AuditEvent"] + 1}
    assert census() == after
    event = AuditEvent.objects.latest_first()[0]
    assert (event.action, event.organization) == (Action.ROSTER_REFUSED, roster.organization)
    assert event.detail["roster"] == roster.pk
    return roster


def test_one_bad_mbi_refuses_the_whole_roster_and_says_where(world: World) -> None:
    roster = refused(archive(NAME, [MBIS[0], "1S00A00AAXX", MBIS[1]]))

    assert roster.problems == [
        {
            "file": CCLF8.replace("T1000002", "T1000000"),
            "line": 2,
            "column": 10,
            "reason": "Character 10 of an MBI must be a digit. Here it is not.",
        }
    ]


def test_a_refusal_leaves_the_roster_of_last_month_in_force(world: World) -> None:
    october = load_roster(archive(OCTOBER, MBIS[:3]), file_name=OCTOBER, by=Actor())

    refused(archive(NAME, [*MBIS[4:8], "bad"]))

    assert cohorts.current_roster(world.harbor) == october
    assert mbis_of(october) == set(MBIS[:3])


@pytest.mark.parametrize("stated", [2, 5])
def test_a_wrong_number_of_records_refuses_the_roster(world: World, stated: int) -> None:
    roster = refused(zipped({CCLF0: counts(stated), CCLF8: records(MBIS[:3])}))

    assert f"The file has 3 records, but CCLF0 states {stated}." in only_reason(roster)


def test_a_file_that_is_no_archive_is_refused(world: World) -> None:
    assert "damaged or incomplete" in only_reason(refused(io.BytesIO(b"not a zip")))


def test_an_archive_that_breaks_in_the_middle_is_refused(world: World) -> None:
    content = bytearray(zipped({CCLF8: records(MBIS), CCLF0: counts(20)}, 0).getvalue())
    content[content.index(b"1S00A00AA19") + 10] ^= 1

    assert "Bad CRC-32" in only_reason(refused(io.BytesIO(bytes(content))))


def test_a_thousand_bad_lines_are_counted_and_a_hundred_are_kept(world: World) -> None:
    roster = refused(archive(NAME, ["bad"] * 1334))

    assert len(roster.problems) == 101
    assert roster.problems[-1]["reason"] == "And 1,234 more problems."
    assert AuditEvent.objects.get().detail["problem_count"] == 1334


def test_a_file_is_not_published_twice(world: World) -> None:
    content = archive()  # once: it says when it was made
    first = load_roster(content, file_name=NAME, by=Actor())

    again = refused(content)

    assert "A file with this name was published at" in only_reason(again)
    assert "You don't need to load it again." in only_reason(again)
    assert cohorts.current_roster(world.harbor) == first


def test_another_file_under_a_published_name_is_refused(world: World) -> None:
    load_roster(archive(), file_name=NAME, by=Actor())

    reason = only_reason(refused(archive(NAME, MBIS[:5]), f"{NAME} (1).zip"))

    assert "with this name was published" in reason
    assert "If it is a newer file, give it back the name that CMS gave it." in reason


def test_the_same_content_under_another_name_is_refused(world: World) -> None:
    content = archive()  # once: it says when it was made
    load_roster(content, file_name=NAME, by=Actor())

    roster = refused(content, "P.BCD.A9994.ZCY26.D261101.T1100000")

    assert f"The same content was already published as {NAME}" in only_reason(roster)


def test_a_refused_file_may_come_again_when_it_is_right(world: World) -> None:
    refused(archive(NAME, ["bad"]))

    assert load_roster(archive(), file_name=NAME, by=Actor()).status == RosterFile.Status.PUBLISHED


def test_what_another_organization_published_is_no_hindrance_and_no_hint(world: World) -> None:
    content = archive(MESA)
    load_roster(content, file_name=MESA, by=Actor())

    roster = refused(content, NAME, world.harbor)

    assert "organization in the name is D9990" in only_reason(roster)
    assert "published" not in only_reason(roster)


def test_a_file_of_another_organization_is_refused_and_kept_with_the_one_that_sent_it(world: World) -> None:
    roster = refused(archive(MESA), MESA, world.harbor)

    assert roster.organization == world.harbor
    assert only_reason(roster) == "The file is for D9990, but you uploaded it for A9994. Choose the file for A9994."
    assert not RosterFile.objects.for_organization(world.mesa).exists()


def test_a_file_of_an_organization_that_nobody_knows_gets_the_same_answer(world: World) -> None:
    name = "P.BCD.A0000.ZCY26.D261101.T1000000"

    roster = refused(archive(name), name, world.harbor)

    assert only_reason(roster) == "The file is for A0000, but you uploaded it for A9994. Choose the file for A9994."


def test_a_file_from_the_future_is_refused(world: World) -> None:
    tomorrow = timezone.now() + dt.timedelta(days=1)
    name = f"P.BCD.A9994.ZCY{tomorrow:%y}.D{tomorrow:%y%m%d}.T0000000"

    assert "in the future" in only_reason(refused(archive(name), name))


def test_a_production_file_is_refused_for_a_sandbox(world: World) -> None:
    world.harbor.is_sandbox = True
    world.harbor.save()
    assert "A9994 is a sandbox" in only_reason(refused(archive()))


@pytest.mark.parametrize(
    ("name", "exception"),
    [
        ("roster.zip", BadFileName),
        ("P.BCD.B001.ZCY26.D261101.T1000000", BadFileName),
        ("P.BCD.A0000.ZCY26.D261101.T1000000", UnknownEntity),
    ],
)
def test_a_file_that_is_nobodys_is_not_written_down(world: World, name: str, exception: type[Exception]) -> None:
    before = census()

    with pytest.raises(exception):
        load_roster(archive(), file_name=name, by=Actor())

    assert census() == before


@pytest.mark.parametrize("entity_id", ["ACOB", "V0001", "GUIDE0001", "DA001"])
def test_a_program_that_is_not_served_is_refused_with_those_that_are(world: World, entity_id: str) -> None:
    name = f"P.BCD.{entity_id}.ZCY26.D261101.T1000000"

    with pytest.raises(BadFileName, match=rf"{entity_id}, which is not an entity ID.*D9990 \(ACO REACH\)"):
        load_roster(archive(), file_name=name, by=Actor())


@pytest.mark.parametrize("name", ["x" * 300, "P.BCD\n", "a\x00b", "a\ud800b"])
def test_a_name_that_cannot_be_stored_is_refused(world: World, name: str) -> None:
    with pytest.raises(BadFileName, match="can't be the name of a roster") as raised:
        load_roster(archive(), file_name=name, by=Actor())

    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 200


def test_an_organization_without_a_program_gets_no_roster(world: World) -> None:
    Organization.objects.filter(pk=world.harbor.pk).update(**Organization.columns_of(REACH))

    roster = refused(archive())

    assert "A9994 isn't an entity ID of its program" in only_reason(roster)


def test_when_the_audit_event_cannot_be_written_nothing_is_published(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = census()

    def fail(*args, **detail) -> None:
        raise RuntimeError("no audit")

    monkeypatch.setattr(receive.audit, "record", fail)

    with pytest.raises(RuntimeError, match="no audit"):
        load_roster(archive(), file_name=NAME, by=Actor())

    assert census() == before
