"""The parts of an ExplanationOfBenefit that only claims of physicians and suppliers have: carrier. Pure."""

from collections.abc import Mapping

from exports.fhir.common import systems
from exports.fhir.v2 import information
from exports.fhir.v2.amounts import PAYMENT_STATUS, adjudications, benefit_balance, denial_reason, payment_type, used
from exports.fhir.v2.clinical import diagnoses, performing_team
from exports.fhir.v2.elements import (
    Element,
    coding,
    concept,
    extension,
    extensions,
    identifier_extension,
    money,
    npi_identifier,
    numbered,
    period,
    present,
    quantity_extension,
    service,
    value,
    variable,
)
from exports.records import LabResult, ProfessionalClaim, ServiceLine
from exports.vocabulary import Amount

_LINE_AMOUNTS = (
    Amount.LINE_BENEFICIARY_PAYMENT,
    Amount.LINE_PROVIDER_PAYMENT,
    Amount.LINE_DEDUCTIBLE,
    Amount.LINE_PRIMARY_PAYER_PAYMENT,
    Amount.LINE_COINSURANCE,
    Amount.LINE_SUBMITTED,
    Amount.LINE_ALLOWED,
)
_TOTALS = (Amount.CLAIM_CHARGE, Amount.CARRIER_ALLOWED, Amount.CARRIER_PRIMARY_PAYER_PAYMENT)
_BALANCES = (
    Amount.CARRIER_DEDUCTIBLE,
    Amount.CARRIER_PROVIDER_PAYMENT,
    Amount.CARRIER_BENEFICIARY_PAYMENT,
    Amount.CARRIER_SUBMITTED,
    Amount.CARRIER_ALLOWED,
)
_DENIED = "0"
_LAB_UNITS: Mapping[str, tuple[str, str]] = {"R1": ("g/dL", "g/dL"), "R2": ("percent", "%")}


def elements(claim: ProfessionalClaim) -> Element:
    tested = [line for line in claim.lines if line.lab_result]
    # The received date is the first entry. The results follow it.
    information_sequences = {line.number: sequence for sequence, line in enumerate(tested, 2)}
    entries = [information.recorded(claim.recorded_date), *map(_result_entry, tested)]
    referral = {"identifier": npi_identifier(claim.referring.npi)} if claim.referring else None
    return present(
        contained=[_observation(line.number, line.lab_result) for line in tested if line.lab_result],
        extension=_extensions(claim),
        disposition=claim.disposition,
        provider={"identifier": {"system": variable("carr_clm_blg_npi_num"), "value": claim.billing_npi}},
        referral=referral,
        careTeam=performing_team(claim),
        supportingInfo=numbered(entries),
        diagnosis=diagnoses(claim),
        item=[_item(line, information_sequences.get(line.number)) for line in claim.lines],
        total=adjudications(claim.amounts, _TOTALS),
        payment={"type": payment_type(is_denied=claim.payment_denial == _DENIED), "amount": money(claim.payment)},
        benefitBalance=benefit_balance(used(claim.amounts, _BALANCES)),
    )


def _extensions(claim: ProfessionalClaim) -> list[Element]:
    return [
        identifier_extension("carr_num", claim.contractor),
        identifier_extension("carr_clm_cntl_num", claim.control_number),
        *([identifier_extension("clm_clncl_tril_num", claim.clinical_trial)] if claim.clinical_trial else []),
        *extensions(
            carr_clm_pmt_dnl_cd=claim.payment_denial, asgmntcd=claim.assignment, carr_clm_entry_cd=claim.entry_code
        ),
    ]


def _observation(number: int, result: LabResult) -> Element:
    unit, code = _LAB_UNITS[result.test]
    return {
        "resourceType": "Observation",
        "id": f"line-observation-{number}",
        "status": "unknown",
        "code": concept(value("line_hct_hgb_type_cd", result.test)),
        "valueQuantity": {"value": result.value, "unit": unit, "system": systems.UCUM, "code": code},
    }


def _result_entry(line: ServiceLine) -> Element:
    reference = {"reference": f"#line-observation-{line.number}"}
    return information.of_cms("line_hct_hgb_rslt_num", valueReference=reference)


def _item(line: ServiceLine, information_sequence: int | None) -> Element:
    return present(
        sequence=line.number,
        extension=[
            quantity_extension("carr_line_mtus_cnt", line.units),
            *extensions(
                carr_line_mtus_cd=line.unit_kind,
                betos_cd=line.betos,
                line_bene_prmry_pyr_cd=line.primary_payer,
                line_prcsg_ind_cd=line.processing,
                line_service_deductible="1" if line.is_deductible_waived else "0",
                tax_num=line.performer.tax_number,
            ),
        ],
        careTeamSequence=list(line.care_team),
        diagnosisSequence=list(line.diagnoses),
        informationSequence=[information_sequence] if information_sequence else [],
        category=concept(value("line_cms_type_srvc_cd", line.type_of_service)),
        productOrService=_service(line),
        # A modifier belongs to the code set of its year. CMS stores the year's last digit.
        modifier=[
            concept({"system": systems.HCPCS, "version": str(line.from_date.year % 10), "code": modifier})
            for modifier in line.modifiers
        ],
        servicedPeriod=period(line.from_date, line.through_date),
        locationCodeableConcept=_location(line),
        quantity={"value": line.units},
        adjudication=[
            PAYMENT_STATUS,
            denial_reason("carr_line_rdcd_pmt_phys_astn_c", line.reduction),
            *_benefit(line),
            *adjudications(line.amounts, _LINE_AMOUNTS),
        ],
    )


def _service(line: ServiceLine) -> Element:
    if line.ndc is None:
        return service(line.hcpcs)
    drug = {"url": systems.NDC, "valueCoding": coding(systems.NDC, line.ndc.code, line.ndc.display or None)}
    return {"extension": [drug], **service(line.hcpcs)}


def _benefit(line: ServiceLine) -> list[Element]:
    """Return what Medicare paid, and whether that is 80 or 100 percent of what it allowed."""
    share = [extension("line_pmt_80_100_cd", "1" if line.is_paid_in_full else "0")]
    return [{"extension": share, **benefit} for benefit in adjudications(line.amounts, [Amount.LINE_PAYMENT])]


def _location(line: ServiceLine) -> Element:
    laboratory = line.laboratory_number
    return {
        "extension": [
            *extensions(
                prvdr_state_cd=line.performer.state,
                prvdr_zip=line.performer.zip_code,
                carr_line_prcng_lclty_cd=line.pricing_locality,
            ),
            *([identifier_extension("carr_line_clia_lab_num", laboratory)] if laboratory else []),
        ],
        **concept(value("line_place_of_srvc_cd", line.place)),
    }
