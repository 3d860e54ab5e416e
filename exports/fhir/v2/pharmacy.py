"""The parts of an ExplanationOfBenefit that only Part D events have. Pure."""

from decimal import Decimal

from exports.fhir.common import systems
from exports.fhir.v2 import information
from exports.fhir.v2.amounts import DRUG_COST_TOTAL, OTHER_TOTAL, adjudications, payment_type
from exports.fhir.v2.clinical import care_team
from exports.fhir.v2.elements import (
    Element,
    coding,
    concept,
    extension,
    money,
    npi_identifier,
    numbered,
    present,
    value,
)
from exports.records import PharmacyClaim
from exports.vocabulary import Amount, CareRole

_ITEM_AMOUNTS = (
    Amount.COVERED_PLAN_PAYMENT,
    Amount.NONCOVERED_PLAN_PAYMENT,
    Amount.COST_BELOW_THRESHOLD,
    Amount.COST_ABOVE_THRESHOLD,
    Amount.PATIENT_PAYMENT,
    Amount.OTHER_OUT_OF_POCKET,
    Amount.LOW_INCOME_SUBSIDY,
    Amount.OTHER_PAYER_REDUCTION,
    Amount.DRUG_COST,
    Amount.GAP_DISCOUNT,
)
_PHARMACY_INVOICE = concept(coding(systems.ACT_CODE, "RXDINV", "Rx dispense invoice"))
_DAYS = {"unit": "day", "system": systems.UCUM, "code": "d"}
_NOTHING = Decimal("0.00")
_COMPOUND_INVOICE = concept(coding(systems.ACT_CODE, "RXCINV", "Rx compound invoice"))


def elements(claim: PharmacyClaim) -> Element:
    pharmacy = npi_identifier(claim.pharmacy.npi)
    return present(
        provider={"identifier": {**pharmacy, "system": systems.NPI}},
        facility=present(
            extension=[extension("phrmcy_srvc_type_cd", claim.service_type)],
            identifier=pharmacy,
            display=claim.pharmacy.name or None,
        ),
        careTeam=_prescribers(claim),
        supportingInfo=numbered(_information(claim)),
        item=[_item(claim)],
        total=[
            {"category": DRUG_COST_TOTAL, "amount": money(claim.amounts[Amount.DRUG_COST])},
            {"category": OTHER_TOTAL, "amount": money(_NOTHING)},
        ],
        payment={"type": payment_type(is_denied=False), "date": claim.payment_date},
    )


def _prescribers(claim: PharmacyClaim) -> list[Element]:
    team = care_team(claim)
    for element, member in zip(team, claim.care_team, strict=True):
        if member.role == CareRole.PRESCRIBING and member.provider.taxonomy:
            element["qualification"] = concept(coding(systems.PROVIDER_TAXONOMY, member.provider.taxonomy))
    return team


def _information(claim: PharmacyClaim) -> list[Element]:
    return [
        information.carin("compoundcode", code=_COMPOUND_INVOICE if claim.is_compound else _PHARMACY_INVOICE),
        information.carin("refillnum", valueQuantity={"value": claim.fill_number}),
        information.carin("dayssupply", valueQuantity={"value": claim.days_supply, **_DAYS}),
        information.carin(
            "dawcode", "daw_prod_slctn_cd", code=concept(value("daw_prod_slctn_cd", claim.dispense_as_written))
        ),
        information.carin("rxorigincode", code=concept(value("rx_orgn_cd", claim.origin))),
        information.carin("brandgenericindicator", code=concept(value("brnd_gnrc_cd", "B" if claim.is_brand else "G"))),
        *information.coded("drug_cvrg_stus_cd", claim.coverage_status),
        *information.coded("dspnsng_stus_cd", claim.dispensing_status),
        *information.coded("adjstmt_dltn_cd", claim.adjustment),
        *information.coded("nstd_frmt_cd", claim.nonstandard_format),
        *information.coded("prcng_excptn_cd", claim.pricing_exception),
        *information.coded("ctstrphc_cvrg_cd", claim.catastrophic),
        *information.coded("ptnt_rsdnc_cd", claim.residence),
        *information.coded("submsn_clr_cd", claim.submission_clarification),
    ]


def _item(claim: PharmacyClaim) -> Element:
    prescribing = [place for place, member in enumerate(claim.care_team, 1) if member.role == CareRole.PRESCRIBING]
    return present(
        sequence=1,
        careTeamSequence=prescribing,
        productOrService=concept(coding(systems.NDC, claim.drug.code, claim.drug.display or None)),
        servicedDate=claim.from_date,
        quantity={"value": claim.quantity},
        adjudication=adjudications(claim.amounts, _ITEM_AMOUNTS),
    )
