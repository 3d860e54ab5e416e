import datetime as dt
from collections import Counter

import pytest

from exports.fhir import v2
from exports.fhir.v2.partial import payment_system
from exports.intake.generator import partially_adjudicated
from exports.intake.generator.history import History
from exports.intake.generator.partially_adjudicated import partial_claims
from exports.intake.substance_use import is_samhsa
from exports.records import (
    BeneficiaryRecord,
    Claim,
    InstitutionalClaim,
    PartialClaim,
    PartialInstitutionalClaim,
    PharmacyClaim,
    ProfessionalClaim,
)
from exports.vocabulary import ClaimKind
from tests.exports.made_up import END_DATE, LAST_UPDATED, SEED, START_DATE, person, record

PEOPLE = range(150)
# Late enough that a record from here on needs no year before its own.
RECENT = dt.date(2026, 6, 1)
LATER = END_DATE + dt.timedelta(days=120)
RETENTION = dt.timedelta(days=60)


@pytest.fixture(scope="module")
def records() -> list[BeneficiaryRecord]:
    return [record(number, with_partial_claims=True) for number in PEOPLE]


@pytest.fixture(scope="module")
def on_their_way(records) -> list[PartialClaim]:
    return [claim for each in records for claim in each.partial_claims]


@pytest.fixture(scope="module")
def adjudicated() -> dict[str, InstitutionalClaim | ProfessionalClaim]:
    """What the history knows four months later of this summer and autumn, by control number."""
    found = {}
    for number in PEOPLE:
        claims = record(number, start_date=RECENT, end_date=LATER).claims
        found |= {claim.control_number: claim for claim in claims if not isinstance(claim, PharmacyClaim)}
    return found


def known_of(number: int, *, start_date: dt.date, end_date: dt.date) -> dict[int, PartialClaim]:
    claims = record(number, start_date=start_date, end_date=end_date, with_partial_claims=True).partial_claims
    return {claim.claim_id: claim for claim in claims}


@pytest.fixture(scope="module")
def day_by_day() -> dict[int, list[tuple[dt.date, PartialClaim]]]:
    """Claim id -> what each of sixty days brought of it, the day and the claim, in their order."""
    found: dict[int, list[tuple[dt.date, PartialClaim]]] = {}
    for number in PEOPLE:
        history, claims = History(person(number), SEED), record(number, start_date=RECENT, end_date=LATER).claims
        for day in (END_DATE + dt.timedelta(days=days) for days in range(60)):
            for claim in partial_claims(history, claims, start_date=day, end_date=day + dt.timedelta(days=1)):
                found.setdefault(claim.claim_id, []).append((day, claim))
    return found


def outcome(claim: PartialClaim) -> str:
    state = payment_system(claim).state(claim.status)
    return "cancelled" if state.claim == "cancelled" else state.outcome


# --- Only where they are wanted -------------------------------------------------------------------------------------


def test_without_the_wish_there_are_none_and_nothing_else_changes():
    plain, full = record(2), record(2, with_partial_claims=True)

    assert plain.partial_claims == ()
    assert full.partial_claims
    assert (plain.person, plain.coverage, plain.claims) == (full.person, full.coverage, full.claims)


def test_the_same_record_is_made_again():
    assert record(2, with_partial_claims=True) == record(2, with_partial_claims=True)


def test_another_seed_makes_other_ones():
    ids = {claim.claim_id for number in range(20) for claim in record(number, with_partial_claims=True).partial_claims}
    others = {
        claim.claim_id
        for number in range(20)
        for claim in record(number, seed=SEED + 1, with_partial_claims=True).partial_claims
    }

    assert ids
    assert ids.isdisjoint(others)


# --- From record to record ------------------------------------------------------------------------------------------


def test_the_next_record_brings_those_that_have_come_further_under_the_same_id():
    middle = dt.date(2026, 11, 8)
    changed = Counter()

    for number in PEOPLE:
        earlier = known_of(number, start_date=RECENT, end_date=middle)
        later = known_of(number, start_date=middle, end_date=END_DATE)
        both = known_of(number, start_date=RECENT, end_date=END_DATE)

        assert both.items() <= (earlier | later).items()
        assert later.items() <= both.items()
        for claim_id in earlier.keys() & later.keys():
            before, after = earlier[claim_id], later[claim_id]
            assert before.status != after.status
            assert before.status_date < after.status_date
            assert (before.control_number, before.received_date) == (after.control_number, after.received_date)
            changed[outcome(before), outcome(after)] += 1

    assert changed["queued", "partial"]
    assert changed["partial", "complete"]


def test_those_of_the_earlier_record_that_are_not_in_the_whole_have_rested_too_long():
    middle = dt.date(2026, 10, 1)

    left_out = 0
    for number in PEOPLE:
        earlier = known_of(number, start_date=RECENT, end_date=middle)
        both = known_of(number, start_date=RECENT, end_date=END_DATE)
        gone = [claim for claim_id, claim in earlier.items() if claim_id not in both]
        assert all(claim.status_date < END_DATE - RETENTION for claim in gone)
        left_out += len(gone)

    assert left_out


def test_a_claim_goes_from_queued_to_partial_to_complete_and_never_back(day_by_day):
    order = ["queued", "partial", "complete", "cancelled"]
    ways = [[outcome(claim) for _, claim in known] for known in day_by_day.values()]

    whole = {tuple(way) for way in ways if way[0] == "queued" and len(way) == 3}
    assert whole == {("queued", "partial", "complete"), ("queued", "partial", "cancelled")}
    assert all(way == sorted(set(way), key=order.index) for way in ways)


def test_a_claim_is_seen_two_to_four_days_after_it_was_received(day_by_day):
    firsts = [known[0] for known in day_by_day.values() if outcome(known[0][1]) == "queued"]

    days = Counter((day - claim.received_date).days for day, claim in firsts)
    assert set(days) == {2, 3, 4}


def test_nothing_of_what_is_known_comes_from_later(on_their_way):
    for claim in on_their_way:
        assert claim.through_date < claim.received_date <= claim.status_date < END_DATE


def test_they_are_shown_for_sixty_days_after_the_last_change(on_their_way):
    rests = [(END_DATE - claim.status_date).days for claim in on_their_way]

    # The first status is known some days after the day that it bears.
    assert 50 < max(rests) <= 60


# --- The same story -------------------------------------------------------------------------------------------------


def test_most_become_an_explanation_of_benefit_with_the_same_control_number(on_their_way, adjudicated):
    same = [claim for claim in on_their_way if claim.control_number in adjudicated]

    assert len(same) / len(on_their_way) > 0.9
    for before in same:
        after = adjudicated[before.control_number]
        assert (before.from_date, before.through_date) == (after.from_date, after.through_date)
        assert [each.code for each in before.diagnoses] == [each.code for each in after.diagnoses]
        assert [each.hcpcs for each in before.lines] == [each.hcpcs for each in after.lines]
        assert before.charge == after.amounts["clm_tot_chrg_amt"]
        assert before.is_samhsa == after.is_samhsa
        assert before.claim_id != after.claim_id
        assert before.status_date <= after.processed_date
        if isinstance(before, PartialInstitutionalClaim):
            assert (before.provider, before.procedures) == (after.facility, after.procedures)
        else:
            assert before.provider.npi == after.billing_npi


def test_some_are_adjudicated_already_and_some_are_not_yet(records):
    known = Counter()
    for each in records:
        control_numbers = {getattr(claim, "control_number", None) for claim in each.claims}
        known.update(claim.control_number in control_numbers for claim in each.partial_claims)

    assert known[True]
    assert known[False] / known.total() > 0.1


def test_a_bill_that_comes_twice_is_thrown_out_and_nothing_comes_of_it(on_their_way, adjudicated):
    again = [claim for claim in on_their_way if claim.control_number not in adjudicated]

    assert again
    assert len(again) / len(on_their_way) < 0.05
    assert {outcome(claim) for claim in again} <= {"queued", "partial", "cancelled"}


def test_a_corrected_claim_is_rejected_before_its_replacement_is_sent():
    found = 0
    for number in PEOPLE:
        history = History(person(number), SEED)
        claims = [claim for claim in record(number).claims if not isinstance(claim, PharmacyClaim)]
        for original in (claim for claim in claims if not claim.is_final):
            (replacement,) = (claim for claim in claims if claim.is_final and claim.group_id == original.group_id)
            done_by = original.processed_date + dt.timedelta(days=1)
            rejected, *_ = partial_claims(history, [original], start_date=START_DATE, end_date=done_by)
            paid, *_ = partial_claims(history, [replacement], start_date=START_DATE, end_date=done_by)
            assert (outcome(rejected), outcome(paid)) == ("cancelled", "complete")
            assert rejected.status_date < paid.received_date
            found += 1

    assert found


def test_the_group_of_a_stay_is_known_once_it_has_been_looked_at(day_by_day):
    groups: dict[str, set[bool]] = {}
    for claim in (claim for known in day_by_day.values() for _, claim in known):
        if isinstance(claim, PartialInstitutionalClaim) and claim.admission_priority:
            groups.setdefault(claim.status, set()).add(claim.drg is not None)

    assert groups["A"] == {False}
    assert groups["S"] == groups["P"] == {True}


# --- How many -------------------------------------------------------------------------------------------------------


def test_every_claim_but_those_for_drugs_goes_this_way(records, on_their_way):
    a_day = sum(not isinstance(claim, PharmacyClaim) for each in records for claim in each.claims) / (3 * 365)

    # Sixty days' worth that has been done with, and what is under way.
    assert 55 * a_day < len(on_their_way) < 95 * a_day


def test_the_shares_of_the_statuses_are_those_of_a_claim_s_way(on_their_way):
    shares = Counter(outcome(claim) for claim in on_their_way)

    assert 0.02 < shares["queued"] / shares.total() < 0.12
    assert 0.05 < shares["partial"] / shares.total() < 0.2
    assert 0.65 < shares["complete"] / shares.total() < 0.9
    assert 0.01 < shares["cancelled"] / shares.total() < 0.08


def test_there_are_claims_of_both_systems(on_their_way):
    shares = Counter(payment_system(claim).letter for claim in on_their_way)

    assert min(shares["f"], shares["m"]) / shares.total() > 0.25


def test_no_two_claims_share_an_id(on_their_way, records):
    ids = [claim.claim_id for claim in on_their_way]

    assert len(set(ids)) == len(ids)
    assert all(claim_id < 0 for claim_id in ids)
    assert set(ids).isdisjoint(claim.claim_id for each in records for claim in each.claims)


def test_equipment_and_drugs_are_paid_through_other_systems(adjudicated, monkeypatch):
    history = History(person(0), SEED)
    whole_time = {"start_date": START_DATE, "end_date": LATER}
    drug = next(c for n in PEOPLE for c in record(n).claims if isinstance(c, PharmacyClaim))
    visit = max(
        (c for c in adjudicated.values() if c.kind == ClaimKind.CARRIER and c.is_final), key=lambda c: c.processed_date
    )

    def taken(claim: Claim) -> list[PartialClaim]:
        return list(partial_claims(history, [claim], **whole_time))

    assert taken(visit)
    assert not taken(drug)
    monkeypatch.setattr(partially_adjudicated, "EQUIPMENT", "carrier")
    assert not taken(visit)


# --- What stays in the house ----------------------------------------------------------------------------------------


def test_sensitive_claims_are_flagged_and_none_is_rendered():
    flagged = 0
    for number in range(200):
        each = record(number, start_date=dt.date(2026, 9, 1), with_partial_claims=True)
        sensitive = {claim.claim_id for claim in each.partial_claims if claim.is_samhsa}
        assert all(claim.is_samhsa for claim in each.partial_claims if is_samhsa(claim))
        ids = {resource.id for resource in v2.render(each, last_updated=LAST_UPDATED)}
        assert ids.isdisjoint(f"{letter}-{claim_id}" for claim_id in sensitive for letter in "fm")
        flagged += len(sensitive)

    assert flagged
