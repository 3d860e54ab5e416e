"""Amounts as adjudications, totals and benefit balances. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache

from exports.fhir.common import codes, systems
from exports.fhir.v2.elements import Element, coding, concept, money, value, variable
from exports.vocabulary import Amount, Amounts

_BENEFIT = (systems.HL7_ADJUDICATION, "benefit", "Benefit Amount")
_COINSURANCE = (systems.CARIN_ADJUDICATION, "coinsurance", "Coinsurance")
_DEDUCTIBLE = (systems.HL7_ADJUDICATION, "deductible", "Deductible")
_DISCOUNT = (systems.CARIN_ADJUDICATION, "discount", "Discount")
_DRUG_COST = (systems.CARIN_ADJUDICATION, "drugcost", "Drug cost")
_ELIGIBLE = (systems.HL7_ADJUDICATION, "eligible", "Eligible Amount")
_NONCOVERED = (systems.CARIN_ADJUDICATION, "noncovered", "Noncovered")
_PAID_BY_PATIENT = (systems.CARIN_ADJUDICATION, "paidbypatient", "Paid by patient")
_PAID_TO_PATIENT = (systems.CARIN_ADJUDICATION, "paidtopatient", "Paid to patient")
_PAID_TO_PROVIDER = (systems.CARIN_ADJUDICATION, "paidtoprovider", "Paid to provider")
_PRIOR_PAYER_PAID = (systems.CARIN_ADJUDICATION, "priorpayerpaid", "Prior payer paid")
_SUBMITTED = (systems.HL7_ADJUDICATION, "submitted", "Submitted Amount")

# Each amount in CARIN's words. BFD calls the carrier's total charge a prior payer's payment; this does not.
_CATEGORIES: Mapping[Amount, tuple[str, str, str]] = {
    Amount.CLAIM_CHARGE: _SUBMITTED,
    Amount.REVENUE_RATE: _SUBMITTED,
    Amount.REVENUE_CHARGE: _SUBMITTED,
    Amount.REVENUE_NONCOVERED: _NONCOVERED,
    Amount.REVENUE_BLOOD_DEDUCTIBLE: _DEDUCTIBLE,
    Amount.REVENUE_DEDUCTIBLE: _DEDUCTIBLE,
    Amount.REVENUE_COINSURANCE: _COINSURANCE,
    Amount.REVENUE_REDUCED_COINSURANCE: _COINSURANCE,
    Amount.REVENUE_FIRST_PAYER_PAYMENT: _PRIOR_PAYER_PAID,
    Amount.REVENUE_SECOND_PAYER_PAYMENT: _PRIOR_PAYER_PAID,
    Amount.REVENUE_PROVIDER_PAYMENT: _PAID_TO_PROVIDER,
    Amount.REVENUE_BENEFICIARY_PAYMENT: _PAID_TO_PATIENT,
    Amount.REVENUE_PATIENT_RESPONSIBILITY: _PAID_BY_PATIENT,
    Amount.REVENUE_PAYMENT: _SUBMITTED,
    Amount.CARRIER_ALLOWED: _ELIGIBLE,
    Amount.CARRIER_PRIMARY_PAYER_PAYMENT: _PRIOR_PAYER_PAID,
    Amount.LINE_PAYMENT: _BENEFIT,
    Amount.LINE_BENEFICIARY_PAYMENT: _PAID_TO_PATIENT,
    Amount.LINE_PROVIDER_PAYMENT: _PAID_TO_PROVIDER,
    Amount.LINE_DEDUCTIBLE: _DEDUCTIBLE,
    Amount.LINE_PRIMARY_PAYER_PAYMENT: _PRIOR_PAYER_PAID,
    Amount.LINE_COINSURANCE: _COINSURANCE,
    Amount.LINE_SUBMITTED: _SUBMITTED,
    Amount.LINE_ALLOWED: _ELIGIBLE,
    Amount.COVERED_PLAN_PAYMENT: _BENEFIT,
    Amount.NONCOVERED_PLAN_PAYMENT: _BENEFIT,
    Amount.COST_BELOW_THRESHOLD: _COINSURANCE,
    Amount.COST_ABOVE_THRESHOLD: _COINSURANCE,
    Amount.PATIENT_PAYMENT: _PAID_BY_PATIENT,
    Amount.OTHER_OUT_OF_POCKET: _PRIOR_PAYER_PAID,
    Amount.LOW_INCOME_SUBSIDY: _DISCOUNT,
    Amount.OTHER_PAYER_REDUCTION: _PRIOR_PAYER_PAID,
    Amount.DRUG_COST: _DRUG_COST,
    Amount.GAP_DISCOUNT: _DISCOUNT,
}


def _category(amount: Amount) -> Element:
    """Return CARIN's word for an amount, and CMS's."""
    name = str(amount)
    return concept(coding(*_CATEGORIES[amount]), coding(systems.ADJUDICATION, variable(name), codes.LABELS[name]))


_CATEGORY = {amount: _category(amount) for amount in _CATEGORIES}
_BALANCE_CATEGORY = concept(coding(systems.BENEFIT_CATEGORY, "1", "Medical Care"))
_DENIAL_REASON = concept(coding(systems.CARIN_ADJUDICATION_DISCRIMINATOR, "denialreason", "Denial Reason"))
_PAYMENT_STATUS = concept(
    coding(systems.CARIN_ADJUDICATION_DISCRIMINATOR, "benefitpaymentstatus", "Benefit Payment Status")
)
# Medicare has no network, so nothing is in or out of it.
PAYMENT_STATUS: Element = {
    "category": _PAYMENT_STATUS,
    "reason": concept(coding(systems.CARIN_PAYER_STATUS, "other", "Other")),
}
_PAID = concept(coding(systems.CARIN_PAYER_STATUS, "paid", "Paid"))
_DENIED = concept(coding(systems.CARIN_PAYER_STATUS, "denied", "Denied"))
OTHER_TOTAL = concept(coding(systems.CARIN_PAYER_STATUS, "other", "Other"))
DRUG_COST_TOTAL = concept(coding(*_DRUG_COST))


def adjudications(amounts: Amounts, which: Iterable[Amount]) -> list[Element]:
    """Return the known amounts, in the requested order, for `adjudication` and for `total`."""
    return [{"category": _CATEGORY[amount], "amount": money(amounts[amount])} for amount in which if amount in amounts]


def denial_reason(name: str, code: str) -> Element:
    """Return an adjudication with the reason for a lower payment, as a coded data element."""
    return {"category": _DENIAL_REASON, "reason": concept(value(name, code))}


def used(amounts: Amounts, which: Iterable[Amount]) -> list[Element]:
    """Return the known amounts, as parts of a benefit balance."""
    return [
        {"type": _balance(str(amount)), "usedMoney": money(amounts[amount])} for amount in which if amount in amounts
    ]


def used_count(name: str, count: int) -> Element:
    """Return a count of days, as a part of a benefit balance."""
    return {"type": _balance(name), "usedUnsignedInt": count}


def stated(name: str, number: Decimal) -> Element:
    """Return a number with a fraction, as a part of a benefit balance. If it is not money, FHIR has a string there."""
    return {"type": _balance(name), "allowedString": str(number)}


def benefit_balance(financial: list[Element]) -> list[Element]:
    return [{"category": _BALANCE_CATEGORY, "financial": financial}] if financial else []


@cache
def _balance(name: str) -> Element:
    return concept(coding(systems.BENEFIT_BALANCE, variable(name), codes.LABELS[name]))


def payment_type(*, is_denied: bool) -> Element:
    """Return whether a claim was paid or denied. One whose deductible used up the payment was paid."""
    return _DENIED if is_denied else _PAID
