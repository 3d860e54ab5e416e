"""Who pays how much: Medicare's cost sharing of a calendar year. Pure.

Everything is billed in the order in which it happened, so that a deductible is met once and coverage phases follow
each other. All amounts are dollars and cents.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from exports.intake.generator.code_lists import CODES

CENT = Decimal("0.01")
NOTHING = Decimal("0.00")
# What is left of Medicare's payment after sequestration, and the beneficiary's share of most of Part B.
AFTER_SEQUESTRATION = Decimal("0.98")
PART_B_COINSURANCE = Decimal("0.20")

# Part D's shares of the cost of a drug: the patient's in each phase, the manufacturer's of brands in the gap.
INITIAL_COINSURANCE = Decimal("0.25")
GAP_COINSURANCE = Decimal("0.25")
GAP_DISCOUNT = Decimal("0.70")
CATASTROPHIC_COINSURANCE = Decimal("0.05")
LAST_YEAR_OF_CATASTROPHIC_COINSURANCE = 2023
# What a person with a low-income subsidy pays at most for a fill.
SUBSIDIZED_GENERIC = Decimal("1.60")
SUBSIDIZED_BRAND = Decimal("4.80")

_YEARS = {each.year: each for each in CODES.cost_sharing}


def in_cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class PartBShare:
    """How an allowed charge is shared; before sequestration the three make up the whole."""

    allowed: Decimal
    deductible: Decimal
    coinsurance: Decimal
    payment: Decimal


@dataclass(frozen=True, slots=True)
class PartDShare:
    """How the cost of a drug is shared: `patient + subsidy + discount + plan` is the cost, and so is below + above."""

    patient: Decimal
    subsidy: Decimal
    discount: Decimal
    plan: Decimal
    below_threshold: Decimal
    above_threshold: Decimal


class Ledger:
    """What a beneficiary has paid in a calendar year, and so what the next bill will cost them."""

    def __init__(self, year: int, *, has_subsidy: bool) -> None:
        self.year = _YEARS[min(max(year, min(_YEARS)), max(_YEARS))]
        self._has_subsidy = has_subsidy
        self._has_catastrophic_share = year <= LAST_YEAR_OF_CATASTROPHIC_COINSURANCE
        self._deductible_left = self.year.part_b_deductible
        self._drug_costs = NOTHING
        self._out_of_pocket = NOTHING

    def part_b(self, allowed: Decimal, *, is_free: bool) -> PartBShare:
        """Bill an allowed charge; of laboratory and preventive services the beneficiary pays nothing."""
        if is_free:
            return PartBShare(allowed, NOTHING, NOTHING, in_cents(allowed * AFTER_SEQUESTRATION))
        deductible = min(allowed, self._deductible_left)
        self._deductible_left -= deductible
        coinsurance = in_cents((allowed - deductible) * PART_B_COINSURANCE)
        payment = in_cents((allowed - deductible - coinsurance) * AFTER_SEQUESTRATION)
        return PartBShare(allowed, in_cents(deductible), coinsurance, payment)

    def part_d(self, cost: Decimal, *, is_brand: bool) -> PartDShare:
        """Bill a covered drug. A fill that crosses from one phase of coverage into the next is shared by both."""
        patient = discount = above = NOTHING
        rest = cost
        while rest > 0:
            portion, patient_part, discount_part, is_above = self._phase(rest, is_brand=is_brand)
            share, reduction = in_cents(portion * patient_part), in_cents(portion * discount_part)
            patient += share
            discount += reduction
            above += portion if is_above else NOTHING
            self._drug_costs += portion
            self._out_of_pocket += share + reduction
            rest -= portion
        copayment = SUBSIDIZED_BRAND if is_brand else SUBSIDIZED_GENERIC
        subsidy = max(patient - copayment, NOTHING) if self._has_subsidy else NOTHING
        return PartDShare(patient - subsidy, subsidy, discount, cost - patient - discount, cost - above, above)

    def _phase(self, cost: Decimal, *, is_brand: bool) -> tuple[Decimal, Decimal, Decimal, bool]:
        """How a cost falls into the present phase.

        Gives the portion that does, the patient's and the manufacturer's parts of that, and whether it lies above the
        threshold.
        """
        year = self.year
        if self._out_of_pocket >= year.part_d_threshold:
            share = CATASTROPHIC_COINSURANCE if self._has_catastrophic_share else NOTHING
            return cost, share, NOTHING, True
        if self._drug_costs < year.part_d_deductible:
            return min(cost, year.part_d_deductible - self._drug_costs), Decimal(1), NOTHING, False
        to_threshold = year.part_d_threshold - self._out_of_pocket
        if year.part_d_initial_limit is None or self._drug_costs < year.part_d_initial_limit:
            portion = min(cost, _reach(to_threshold, INITIAL_COINSURANCE))
            if year.part_d_initial_limit is not None:
                portion = min(portion, year.part_d_initial_limit - self._drug_costs)
            return portion, INITIAL_COINSURANCE, NOTHING, False
        discount = GAP_DISCOUNT if is_brand else NOTHING
        return min(cost, _reach(to_threshold, GAP_COINSURANCE + discount)), GAP_COINSURANCE, discount, False


def _reach(out_of_pocket: Decimal, share: Decimal) -> Decimal:
    """The cost whose share is the out-of-pocket amount, and a cent or so more, so that a phase always ends."""
    return in_cents(out_of_pocket / share) + CENT


def inpatient_payment(priced: Decimal, deductible: Decimal) -> Decimal:
    """What Medicare pays for a stay of which `priced` is the whole price."""
    return in_cents(max(priced - deductible, NOTHING) * AFTER_SEQUESTRATION)
