"""Who has opted out, as of today: the latest preference within the look-back decides."""

import datetime as dt

import pytest
from django.utils import timezone

from attribution import cohorts
from attribution.cohorts import ALL, Cohort
from attribution.consent import ledger
from attribution.consent.opt_outs import Asked, Consent
from attribution.models import Beneficiary, Mbi, PreferenceChange, RosterFile
from credentials.actor import Actor
from credentials.models import Organization
from tests.attribution.consent.files import line, load, say

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture
def mbi(world) -> str:
    """The only beneficiary of Harbor."""
    (only,) = world.beneficiaries(1)
    world.roster(world.harbor, [only])
    return only


def is_out(world) -> bool:
    cohort = ALL.cohort_of(world.harbor, None)
    assert cohort.count() + cohort.withheld_count() == 1
    return cohort.withheld_count() == 1


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], False),
        ([("N", 0)], True),
        ([("Y", 0)], False),
        ([("N", -60)], True),
        ([("N", -61)], False),
        ([("N", 1)], False),
        ([("N", -2), ("Y", -1)], False),
        ([("Y", -1), ("N", -2)], False),
        ([("Y", -2), ("N", -1)], True),
        ([("N", -1), ("Y", -2)], True),
        ([("Y", 0), ("N", 0)], True),
        ([("N", 0), ("Y", 0)], True),
        ([("N", -1), ("Y", 1)], True),
        ([("N", -70), ("Y", -65)], False),
        ([("Y", -10), ("N", -70)], False),
        ([("N", -5), ("Y", -4), ("N", -3)], True),
        ([("N", -5), ("Y", -4), ("N", -3), ("Y", -2)], False),
        ([("N", -5), ("Y", -4), ("N", 3)], False),
    ],
)
def test_the_latest_preference_within_the_look_back_decides(world, mbi, said, expected):
    for choice, days in said:
        say(mbi, choice, days)

    assert is_out(world) is expected


def test_blank_ones_say_nothing(world, mbi):
    today = timezone.localdate()
    load(line(mbi, "N", today - DAY), line(mbi, "", today), line(mbi, "", "        "))

    assert is_out(world)


@pytest.mark.parametrize("days", [0, 10**7, 800_000])
def test_a_look_back_of_zero_or_of_millennia_is_for_ever(world, mbi, settings, days):
    settings.OPT_OUT_LOOKBACK_DAYS = days
    load(line(mbi, "N", dt.date(1950, 1, 1)))

    assert is_out(world)


def test_the_look_back_is_a_setting(world, mbi, settings):
    say(mbi, "N", -10)
    settings.OPT_OUT_LOOKBACK_DAYS = 9

    assert not is_out(world)


def test_all_mbis_of_a_beneficiary_count_also_those_that_come_later(world, mbi):
    say("1S00B00AA00", "N")
    assert not is_out(world)

    Mbi.objects.create(value="1S00B00AA00", beneficiary=Beneficiary.objects.get())

    assert is_out(world)
    say("1S00B00AA00", "Y", 0)
    assert is_out(world)
    say("1S00C00AA00", "Y", 0)
    Mbi.objects.create(value="1S00C00AA00", beneficiary=Beneficiary.objects.get())
    assert is_out(world)


def test_an_opt_in_by_another_mbi_of_the_same_beneficiary_counts(world, mbi):
    Mbi.objects.create(value="1S00B00AA00", beneficiary=Beneficiary.objects.get())
    say(mbi, "N", -2)
    say("1S00B00AA00", "Y", -1)

    assert not is_out(world)


def test_what_was_reverted_does_not_count(world, mbi):
    out = say(mbi, "N", -2)
    back = say(mbi, "Y", -1)

    ledger.revert(back, reason="", by=Actor())
    assert is_out(world)

    ledger.revert(out, reason="", by=Actor())
    assert not is_out(world)


def test_it_holds_for_all_organizations_that_must_honor_it(world, mbi):
    world.roster(world.mesa, [mbi])
    say(mbi, "N")

    assert [ALL.cohort_of(each, None).count() for each in (world.harbor, world.mesa)] == [0, 0]
    assert cohorts.on_roster(RosterFile.objects.get(organization=world.mesa)).count() == 0


def test_an_organization_whose_program_honors_none_gets_everyone(world, mbi):
    maryland = Organization.objects.create(entity_id="CT999990", name="Bay", program_code="MDTCOC")
    roster = world.roster(maryland, [mbi])
    say(mbi, "N")

    assert not ALL.cohort_of(maryland, None).consent.honors_opt_outs
    assert ALL.cohort_of(maryland, timezone.now() - DAY).returned_ids == ()
    assert cohorts.on_roster(roster).count() == 1


def test_an_organization_without_a_program_honors_all(world, mbi):
    world.harbor.program_code = "none"

    assert cohorts.consent_of(world.harbor) == Consent()
    assert Cohort("by default", ()).consent.honors_opt_outs


@pytest.mark.parametrize(("strategy", "expected"), [("historical", False), ("latest", True)])
def test_for_a_limited_organization_later_opt_outs_do_not_apply_if_its_strategy_says_so(world, mbi, strategy, expected):
    today = timezone.localdate()
    Organization.objects.filter(pk=world.harbor.pk).update(
        status=Organization.Status.LIMITED,
        termination_date=today - 10 * DAY,
        attribution_strategy="latest",
        opt_out_strategy=strategy,
    )
    world.harbor.refresh_from_db()
    say(mbi, "N", -9)

    assert is_out(world) is expected

    say(mbi, "N", -69)  # within the look-back as of its last day
    assert is_out(world)


def test_counts_of_many_organizations_are_right_at_once(world):
    people = world.beneficiaries(5)
    of = {
        "harbor": cohorts.on_roster(world.roster(world.harbor, people[:3])),
        "mesa": cohorts.on_roster(world.roster(world.mesa, people[2:])),
    }
    say(people[2], "N")
    say(people[3], "N")

    assert cohorts.counts(of) == {"harbor": 2, "mesa": 1}


# --- As it was asked ------------------------------------------------------------------------------------------------


def has_changed(world, asked: Asked) -> bool:
    return ALL.cohort_of(world.harbor, None).has_opted_out_since(asked, 0, 2**63 - 1)


def test_whoever_opts_out_after_it_was_asked_is_found(world, mbi):
    nothing = Consent().asked()
    assert not has_changed(world, nothing)

    say(mbi, "N")

    assert has_changed(world, nothing)
    assert not has_changed(world, Consent().asked())
    assert not ALL.cohort_of(world.harbor, None).has_opted_out_since(nothing, 0, 0)


def test_an_opt_out_that_was_waiting_is_found_when_its_day_has_come(world, mbi):
    say(mbi, "N")
    asked = Consent().asked()

    assert has_changed(world, Asked(asked.change_id, asked.day - DAY))


def test_an_opt_out_that_was_reverted_at_the_time_is_found_when_it_comes_again(world, mbi):
    ledger.revert(say(mbi, "N"), reason="", by=Actor())
    asked = Consent().asked()
    say(mbi, "N")

    assert has_changed(world, asked)


def test_a_revert_of_an_opt_in_is_found(world, mbi):
    say(mbi, "N", -1)
    back = say(mbi, "Y")
    asked = Consent().asked()

    ledger.revert(back, reason="", by=Actor())

    assert has_changed(world, asked)


def test_whoever_was_out_and_came_back_is_not_found(world, mbi):
    asked = Consent().asked()
    say(mbi, "N", -1)
    say(mbi, "Y")

    assert not has_changed(world, asked)


# --- Returned -------------------------------------------------------------------------------------------------------


def returned(world, since: dt.datetime) -> bool:
    ids = ALL.cohort_of(world.harbor, since).returned_ids
    assert len(ids) <= 1
    return bool(ids)


def known(change: PreferenceChange, at: dt.datetime) -> None:
    PreferenceChange.objects.filter(pk=change.pk).update(recorded_at=at)


def test_whoever_was_out_for_a_while_since_then_has_returned(world, mbi):
    now = timezone.now()
    assert not returned(world, now - 5 * DAY)

    say(mbi, "N", -3)
    assert not returned(world, now - 5 * DAY)  # still out

    back = say(mbi, "Y", -1)
    assert returned(world, now - 5 * DAY)
    assert returned(world, now - 2 * DAY)
    assert returned(world, now)  # when it was known is in doubt
    known(back, now - 2 * HOUR)
    assert not returned(world, now)
    assert returned(world, now - 4 * HOUR)


def test_whoever_the_look_back_has_let_go_has_returned(world, mbi):
    now = timezone.now()
    known(say(mbi, "N", -61), now - 61 * DAY)

    assert returned(world, now - 3 * DAY)
    assert not returned(world, now)


def test_whoever_was_out_by_mistake_has_returned(world, mbi):
    now = timezone.now()
    ledger.revert(say(mbi, "N", -3), reason="", by=Actor())

    assert returned(world, now - 2 * DAY)
    known(PreferenceChange.objects.get(kind="revert"), now - 2 * HOUR)
    assert not returned(world, now)


def test_an_opt_in_that_was_reverted_did_not_bring_anybody_back_then(world, mbi):
    now = timezone.now()
    known(say(mbi, "N", -9), now - 9 * DAY)
    mistaken = say(mbi, "Y", -8)
    known(mistaken, now - 8 * DAY)
    assert not returned(world, now - 5 * DAY)

    ledger.revert(mistaken, reason="", by=Actor())
    say(mbi, "Y", -1)

    assert returned(world, now - 5 * DAY)
