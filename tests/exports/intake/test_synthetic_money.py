"""The amounts of synthetic claims add up, and who pays what is as Medicare has it."""

import itertools
from collections import Counter
from decimal import Decimal

import pytest

from exports.intake.generator.code_lists import CODES
from exports.intake.generator.cost_sharing import Ledger
from exports.records import InstitutionalClaim, PharmacyClaim, ProfessionalClaim
from exports.vocabulary import Amount, ClaimKind
from tests.exports.intake.eighty import of_class

CENT = Decimal("0.01")


def total(lines, amount):
    return sum((line.amounts[amount] for line in lines), Decimal(0))


def test_amounts_are_dollars_and_cents_and_none_is_negative(claims):
    for claim in claims:
        of_lines = [] if isinstance(claim, PharmacyClaim) else [each.amounts for each in claim.lines]
        for amounts in (claim.amounts, *of_lines):
            assert all(amount >= 0 and amount.as_tuple().exponent == -2 for amount in amounts.values())


def test_a_carrier_line_s_shares_make_up_what_is_allowed(claims):
    for claim in of_class(claims, ProfessionalClaim):
        for each in claim.lines:
            amounts = each.amounts
            allowed = amounts[Amount.LINE_ALLOWED]
            owed = amounts[Amount.LINE_DEDUCTIBLE] + amounts[Amount.LINE_COINSURANCE]
            assert abs((allowed - owed) * Decimal("0.98") - amounts[Amount.LINE_PAYMENT]) <= CENT
            assert allowed <= amounts[Amount.LINE_SUBMITTED]
            assert owed == 0 or not each.is_paid_in_full


def test_a_carrier_claim_is_the_sum_of_its_lines(claims):
    for claim in of_class(claims, ProfessionalClaim):
        assert claim.payment == total(claim.lines, Amount.LINE_PAYMENT)
        assert claim.amounts[Amount.CARRIER_ALLOWED] == total(claim.lines, Amount.LINE_ALLOWED)
        assert claim.amounts[Amount.CARRIER_SUBMITTED] == total(claim.lines, Amount.LINE_SUBMITTED)
        assert claim.amounts[Amount.CARRIER_DEDUCTIBLE] == total(claim.lines, Amount.LINE_DEDUCTIBLE)


def test_an_institution_s_lines_add_up_to_the_total_line_and_to_the_claim(claims):
    for claim in of_class(claims, InstitutionalClaim):
        *lines, last = claim.lines
        assert last.revenue_center == "0001"
        assert last.amounts[Amount.REVENUE_CHARGE] == claim.amounts[Amount.CLAIM_CHARGE]
        assert total(lines, Amount.REVENUE_CHARGE) == claim.amounts[Amount.CLAIM_CHARGE]


def test_an_outpatient_claim_is_the_sum_of_its_lines(claims):
    for claim in of_class(claims, InstitutionalClaim):
        if claim.kind == ClaimKind.OUTPATIENT:
            lines = claim.lines[:-1]
            assert claim.payment == total(lines, Amount.REVENUE_PAYMENT)
            assert claim.amounts[Amount.PART_B_DEDUCTIBLE] == total(lines, Amount.REVENUE_DEDUCTIBLE)
            assert claim.amounts[Amount.PART_B_COINSURANCE] == total(lines, Amount.REVENUE_COINSURANCE)


def test_the_part_b_deductible_is_met_once_a_year(records):
    deductibles = {each.year: each.part_b_deductible for each in CODES.cost_sharing}
    met = 0
    for each in records:
        paid: Counter = Counter()
        for claim in each.claims:
            if claim.is_final:
                paid[claim.from_date.year] += claim.amounts.get(Amount.PART_B_DEDUCTIBLE, Decimal(0))
                paid[claim.from_date.year] += claim.amounts.get(Amount.CARRIER_DEDUCTIBLE, Decimal(0))
        assert all(amount <= deductibles[year] for year, amount in paid.items())
        met += sum(amount == deductibles[year] for year, amount in paid.items())

    assert met


def test_the_part_a_deductible_is_due_once_in_a_benefit_period(records):
    seen = Counter()
    for each in records:
        stays = [c for c in of_class(each.claims, InstitutionalClaim) if c.admission and c.is_final]
        for earlier, later in itertools.pairwise(stays):
            is_new = (later.from_date - earlier.through_date).days > 60
            assert (later.amounts[Amount.INPATIENT_DEDUCTIBLE] > 0) == is_new
            seen[is_new] += 1

    assert seen[True]
    assert seen[False]


def test_a_part_d_event_s_payers_make_up_the_cost(claims):
    payers = (
        Amount.PATIENT_PAYMENT,
        Amount.OTHER_OUT_OF_POCKET,
        Amount.LOW_INCOME_SUBSIDY,
        Amount.OTHER_PAYER_REDUCTION,
        Amount.COVERED_PLAN_PAYMENT,
        Amount.NONCOVERED_PLAN_PAYMENT,
        Amount.GAP_DISCOUNT,
    )
    for claim in of_class(claims, PharmacyClaim):
        cost = claim.amounts[Amount.DRUG_COST]
        assert sum(claim.amounts[payer] for payer in payers) == cost
        assert claim.amounts[Amount.COST_BELOW_THRESHOLD] + claim.amounts[Amount.COST_ABOVE_THRESHOLD] == cost


@pytest.mark.parametrize(("year", "most"), [(2025, 2000), (2026, 2100)])
def test_since_2025_nobody_pays_for_drugs_beyond_the_threshold(year, most):
    ledger = Ledger(year, has_subsidy=False)

    paid = [ledger.part_d(Decimal("1000.00"), is_brand=True).patient for _ in range(12)]

    assert most <= sum(paid) <= most + CENT
    assert paid[-1] == 0


def test_before_2025_the_manufacturer_pays_for_brands_in_the_coverage_gap():
    ledger = Ledger(2023, has_subsidy=False)

    shares = [ledger.part_d(Decimal("1000.00"), is_brand=True) for _ in range(20)]

    assert shares[0].patient == Decimal("505.00") + Decimal("123.75")
    assert sum(share.discount for share in shares) > 0
    assert shares[-1].above_threshold == Decimal("1000.00")
    assert shares[-1].patient == Decimal("50.00")


def test_who_has_the_subsidy_pays_a_copayment_at_most():
    ledger = Ledger(2026, has_subsidy=True)

    share = ledger.part_d(Decimal("600.00"), is_brand=True)

    assert share.patient == Decimal("4.80")
    assert share.patient + share.subsidy == Decimal("600.00")
