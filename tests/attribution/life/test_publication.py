"""A roster is previewed, and then published, approved or discarded: once, and nothing before that changes exports."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from attribution import cohorts, loading, tasks
from attribution.loading import discarding, publication, receive
from attribution.models import RosterEntry, RosterFile
from credentials.actor import Actor
from credentials.models import AuditEvent, Membership, Notice
from credentials.trail.audit import Action
from exports.models import Job
from tests.attribution.archives import MBIS, NAME, archive
from tests.world import World

OCTOBER = "P.BCD.A9994.ZCY26.D261001.T1000000"
DECEMBER = "P.BCD.A9994.ZCY26.D261115.T1000000"
RUNOUTS = "P.BCD.A9994.ZCR24.D251101.T1000000", "P.BCD.A9994.ZCR25.D261101.T1000000"


@pytest.fixture(autouse=True)
def _later(monkeypatch) -> None:
    """After all these files."""
    monkeypatch.setattr("attribution.loading.receive.timezone.now", lambda: dt.datetime(2026, 12, 1, tzinfo=dt.UTC))


def preview(name: str = NAME, mbis: tuple[str, ...] = MBIS[:3], by: Actor | None = None) -> RosterFile:
    roster = loading.preview_roster(archive(name, mbis), file_name=name, by=by or Actor())
    assert roster.status == RosterFile.Status.PREVIEWED
    return roster


def publish(name: str, mbis: tuple[str, ...]) -> RosterFile:
    return loading.load_roster(archive(name, mbis), file_name=name, by=Actor(), swing_reason="A test.")


def actions() -> list[str]:
    return list(AuditEvent.objects.filter(action__startswith="roster.").order_by("pk").values_list("action", flat=True))


def test_a_preview_has_its_beneficiaries_and_numbers_and_changes_nothing(world: World) -> None:
    october = publish(OCTOBER, MBIS[:4])

    roster = preview(mbis=MBIS[1:6], by=Actor(user=world.delegate))

    assert (roster.beneficiary_count, roster.joined_count, roster.left_count) == (5, 2, 1)
    assert roster.entries.count() == 5
    assert roster.published_at is None
    assert cohorts.current_roster(world.harbor) == october
    assert cohorts.ALL.decide(world.harbor, None) == cohorts.on_roster(october)
    assert actions() == [Action.ROSTER_PUBLISHED, Action.ROSTER_PREVIEWED]


def test_it_is_published_without_the_file_and_told_to_the_others(world: World) -> None:
    roster = preview(by=Actor(user=world.delegate))

    published = loading.publish(roster, by=Actor(user=world.delegate))

    assert published == roster == cohorts.current_roster(world.harbor)
    assert (published.status, published.published_by) == ("published", world.delegate)
    assert published.published_at is not None
    assert actions() == [Action.ROSTER_PREVIEWED, Action.ROSTER_PUBLISHED]
    notice = Notice.objects.get(kind=Notice.Kind.ROSTER_PUBLISHED)
    assert (notice.user, notice.facts["joined"]) == (world.colleague, "3")


def test_it_is_compared_again_when_it_is_published(world: World) -> None:
    november = preview(NAME, MBIS[:4])
    publish(OCTOBER, MBIS[2:6])

    published = loading.publish(november, by=Actor())

    assert (published.joined_count, published.left_count) == (2, 2)


@pytest.mark.parametrize("act", ["publish", "discard", "ask_for_approval", "approve"])
def test_what_is_published_is_no_longer_a_preview(world: World, act: str) -> None:
    roster = preview()
    loading.publish(roster, by=Actor())
    arguments = {"reason": "Why."} if act == "ask_for_approval" else {}

    with pytest.raises((loading.CannotPublishError, loading.CannotDiscardError), match="already published"):
        getattr(loading, act)(roster, by=Actor(user=world.colleague), **arguments)

    assert actions() == [Action.ROSTER_PREVIEWED, Action.ROSTER_PUBLISHED]


def test_the_same_file_is_published_once_however_often_it_was_previewed(world: World) -> None:
    first, second = preview(), preview()
    loading.publish(second, by=Actor())

    with pytest.raises(loading.CannotPublishError, match="A file with this name was published"):
        loading.publish(first, by=Actor())

    assert RosterFile.objects.published().get() == second


def test_a_preview_is_discarded_with_its_rows(world: World) -> None:
    roster = preview()

    loading.discard(roster, by=Actor(user=world.delegate))

    assert (roster.status, roster.discarded_by) == ("discarded", world.delegate)
    assert not RosterEntry.objects.exists()
    assert actions() == [Action.ROSTER_PREVIEWED, Action.ROSTER_DISCARDED]
    assert preview().status == RosterFile.Status.PREVIEWED


@pytest.mark.django_db(transaction=True)
def test_previews_that_nobody_publishes_are_discarded_one_bad_row_or_not(world: World, monkeypatch) -> None:
    bad, old, young = preview(), preview(), preview()
    long_ago = timezone.now() - dt.timedelta(days=15)
    RosterFile.objects.filter(pk__in=[bad.pk, old.pk]).update(received_at=long_ago)
    RosterFile.objects.filter(pk=young.pk).update(received_at=timezone.now() - dt.timedelta(days=13))
    discard = discarding.discard

    def discard_but_one(roster: RosterFile, *, by: Actor) -> None:
        if roster == bad:
            raise RuntimeError("a bad row")
        discard(roster, by=by)

    monkeypatch.setattr("attribution.loading.discarding.discard", discard_but_one)

    tasks.discard_old_previews()

    assert [RosterFile.objects.get(pk=each.pk).status for each in (bad, old, young)] == [
        "previewed", "discarded", "previewed",
    ]  # fmt: skip


# --- The second approval --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "is_large"),
    [
        (range(20), range(1, 20), False),  # one of twenty: five percent
        (range(9), range(4, 9), False),  # nine percent and more, but only four
        (range(9), range(5, 11), False),  # seven
        (range(9), range(7, 11), False),  # nine
        (range(9), range(8, 11), True),  # ten
        (range(20), range(10, 20), True),  # ten
    ],
)
def test_fifteen_percent_and_ten_is_a_large_change(world: World, before, after, is_large: bool) -> None:  # noqa: FBT001
    publish(OCTOBER, tuple(MBIS[each] for each in before))
    roster = preview(NAME, tuple(MBIS[each] for each in after))

    assert loading.needs_approval(roster, loading.compared(roster)) is is_large


def test_so_many_in_all_is_a_large_change_whatever_the_percentage(world: World, settings) -> None:
    publish(OCTOBER, MBIS)
    roster = preview(NAME, MBIS[2:])
    settings.ROSTER_SWING_COUNT = 2

    assert loading.needs_approval(roster, loading.compared(roster))


def test_the_first_roster_of_a_kind_or_a_runout_year_and_a_late_one_need_no_approval(world: World) -> None:
    first = preview(NAME, MBIS)
    publish(RUNOUTS[0], MBIS[:10])
    runout = preview(RUNOUTS[1], MBIS[10:])
    loading.publish(first, by=Actor())
    late = preview(OCTOBER, MBIS[:1])

    for each in (runout, late):
        assert not loading.needs_approval(each, loading.compared(each))


@pytest.fixture
def large(world: World) -> RosterFile:
    """A preview of the delegate's with three of fifteen beneficiaries."""
    publish(OCTOBER, MBIS[:15])
    return preview(NAME, MBIS[:3], Actor(user=world.delegate))


def test_a_large_change_is_not_published_by_one(world: World, large: RosterFile) -> None:
    with pytest.raises(loading.NeedsApprovalError, match="12 would leave"):
        loading.publish(large, by=Actor(user=world.delegate))

    assert cohorts.current_roster(world.harbor) != large


def test_another_team_member_approves_it(world: World, large: RosterFile) -> None:
    loading.ask_for_approval(large, reason="Two practices left.", by=Actor(user=world.delegate))

    published = loading.approve(large, by=Actor(user=world.colleague))

    assert (published.published_by, published.approval_asked_by) == (world.colleague, world.delegate)
    event = AuditEvent.objects.get(action=Action.ROSTER_PUBLISHED, detail__roster=large.pk)
    assert event.user == world.colleague
    assert event.detail["reason"] == "Two practices left."
    assert event.detail["requested_by"] == str(world.delegate)
    asked = Notice.objects.get(kind=Notice.Kind.ROSTER_NEEDS_APPROVAL)
    assert (asked.user, asked.facts["reason"]) == (world.colleague, "Two practices left.")


def test_whoever_asked_does_not_approve(world: World, large: RosterFile) -> None:
    loading.ask_for_approval(large, reason="Why.", by=Actor(user=world.delegate))

    with pytest.raises(loading.OwnApprovalError):
        loading.approve(large, by=Actor(user=world.delegate))
    with pytest.raises(loading.NeedsApprovalError):
        loading.publish(large, by=Actor(user=world.colleague))

    assert cohorts.current_roster(world.harbor) != large


def test_nobody_from_outside_approves_but_an_operator(world: World, large: RosterFile) -> None:
    loading.ask_for_approval(large, reason="Why.", by=Actor(user=world.delegate))
    Membership.objects.filter(user=world.colleague).delete()

    for stranger in (world.stranger, world.operator, None):
        with pytest.raises(loading.CannotPublishError, match="Only a team member"):
            loading.approve(large, by=Actor(user=stranger))
    loading.approve(large, by=Actor(user=world.operator), as_operator=True)

    assert cohorts.current_roster(world.harbor) == large


def test_approval_is_asked_for_once_and_given_only_when_asked(world: World, large: RosterFile) -> None:
    with pytest.raises(loading.CannotPublishError, match="Nobody has asked"):
        loading.approve(large, by=Actor(user=world.colleague))
    loading.ask_for_approval(large, reason="Why.", by=Actor(user=world.delegate))

    with pytest.raises(loading.CannotPublishError, match="already requested"):
        loading.ask_for_approval(large, reason="Why.", by=Actor(user=world.colleague))

    assert actions().count(Action.ROSTER_APPROVAL_ASKED) == 1


def test_loading_publishes_at_once_but_for_a_large_change_without_a_reason(world: World) -> None:
    publish(OCTOBER, MBIS[:15])
    with_reason = {"swing_reason": "Two practices left."}

    waits = loading.load_roster(archive(NAME, MBIS[:3]), file_name=NAME, by=Actor())
    goes = loading.load_roster(archive(DECEMBER, MBIS[:4]), file_name=DECEMBER, by=Actor(), **with_reason)

    assert (waits.status, waits.beneficiary_count, waits.left_count) == ("previewed", 3, 12)
    assert (goes.status, goes.swing_reason) == ("published", "Two practices left.")
    assert not Job.objects.exists()


# --- Under company --------------------------------------------------------------------------------------------------


@pytest.fixture
def _this_year_only(settings) -> None:
    settings.ROSTER_DAYS, settings.ROSTER_YEARS = 0, {"*": "strict"}


@pytest.mark.usefixtures("_this_year_only")
def test_a_large_change_needs_approval_though_next_years_roster_is_there(world: World) -> None:
    publish(OCTOBER, MBIS[:15])
    publish("P.BCD.A9994.ZCY27.D261110.T1000000", MBIS[:15])

    large = preview(DECEMBER, MBIS[:3])

    assert loading.needs_approval(large, loading.compared(large))


def test_a_preview_that_is_published_while_the_same_file_is_loaded_is_a_refusal(world: World, monkeypatch) -> None:
    previewed = preview()
    add_entries = receive._add_entries

    def meanwhile(roster: RosterFile) -> None:
        add_entries(roster)
        loading.publish(previewed, by=Actor(user=world.delegate))

    monkeypatch.setattr(receive, "_add_entries", meanwhile)

    loaded = publish(NAME, MBIS[:3])

    assert loaded.status == RosterFile.Status.REFUSED
    assert "A file with this name was published at" in loaded.problems[0]["reason"]


def test_rows_are_checked_before_the_time_of_publication(world: World, monkeypatch) -> None:
    """At the commit it would be after it, while exports wait."""
    publish_now = publication._publish

    def with_a_bad_row(found: RosterFile, *args, **details) -> RosterFile:
        RosterEntry.objects.bulk_create([RosterEntry(roster=found, beneficiary_id=2**40)])
        return publish_now(found, *args, **details)

    monkeypatch.setattr(publication, "_publish", with_a_bad_row)

    with pytest.raises(IntegrityError), transaction.atomic():
        publish(NAME, MBIS[:3])
