"""The parts of an ExplanationOfBenefit that only institutional claims have: inpatient, outpatient. Pure."""

from exports.fhir.common import systems
from exports.fhir.v2 import information
from exports.fhir.v2.amounts import (
    PAYMENT_STATUS,
    adjudications,
    benefit_balance,
    denial_reason,
    payment_type,
    stated,
    used,
    used_count,
)
from exports.fhir.v2.clinical import care_team, diagnoses, procedures
from exports.fhir.v2.elements import (
    NPI_TYPE,
    Element,
    coding,
    concept,
    extension,
    extensions,
    hcpcs_coding,
    identifier_extension,
    money,
    numbered,
    period,
    present,
    quantity_extension,
    service,
    value,
    variable,
)
from exports.records import InstitutionalClaim, Provider, RevenueLine
from exports.vocabulary import Amount

_LINE_AMOUNTS = (
    Amount.REVENUE_RATE,
    Amount.REVENUE_CHARGE,
    Amount.REVENUE_NONCOVERED,
    Amount.REVENUE_BLOOD_DEDUCTIBLE,
    Amount.REVENUE_DEDUCTIBLE,
    Amount.REVENUE_COINSURANCE,
    Amount.REVENUE_REDUCED_COINSURANCE,
    Amount.REVENUE_FIRST_PAYER_PAYMENT,
    Amount.REVENUE_SECOND_PAYER_PAYMENT,
    Amount.REVENUE_PROVIDER_PAYMENT,
    Amount.REVENUE_BENEFICIARY_PAYMENT,
    Amount.REVENUE_PATIENT_RESPONSIBILITY,
    Amount.REVENUE_PAYMENT,
)

# Part A's come first, then Part B's. A claim has one or the other.
_BALANCES = (
    Amount.PER_DIEM,
    Amount.PROFESSIONAL_COMPONENT,
    Amount.CAPITAL,
    Amount.INPATIENT_DEDUCTIBLE,
    Amount.INPATIENT_COINSURANCE,
    Amount.INPATIENT_NONCOVERED,
    Amount.INPATIENT_DEDUCTIONS,
    Amount.CAPITAL_DISPROPORTIONATE_SHARE,
    Amount.CAPITAL_EXCEPTION,
    Amount.CAPITAL_FEDERAL,
    Amount.CAPITAL_MEDICAL_EDUCATION,
    Amount.CAPITAL_OUTLIER,
    Amount.CAPITAL_HOLD_HARMLESS,
    Amount.OUTLIER_PAYMENT,
    Amount.PART_B_DEDUCTIBLE,
    Amount.PART_B_COINSURANCE,
    Amount.OUTPATIENT_PROVIDER_PAYMENT,
    Amount.OUTPATIENT_BENEFICIARY_PAYMENT,
    Amount.BLOOD_DEDUCTIBLE,
    Amount.PRIMARY_PAYER_PAYMENT,
)

_EXTENSION_AMOUNTS = (Amount.MEDICAL_EDUCATION, Amount.UNCOMPENSATED_CARE, Amount.DISPROPORTIONATE_SHARE)

_CERTIFICATION_TYPE = concept(coding(systems.IDENTIFIER_TYPE, "PRN", "Provider number"))
_REASONS = ("rev_cntr_1st_ansi_cd", "rev_cntr_2nd_ansi_cd", "rev_cntr_3rd_ansi_cd", "rev_cntr_4th_ansi_cd")


def elements(claim: InstitutionalClaim) -> Element:
    return present(
        contained=[_organization(claim.facility)],
        extension=_extensions(claim),
        provider={"reference": "#provider-org"},
        facility={"extension": [extension("clm_fac_type_cd", claim.facility_type)]},
        careTeam=care_team(claim),
        supportingInfo=numbered(_information(claim)),
        diagnosis=diagnoses(claim),
        procedure=procedures(claim),
        item=[_item(line, claim) for line in claim.lines],
        adjudication=[PAYMENT_STATUS],
        total=adjudications(claim.amounts, [Amount.CLAIM_CHARGE]),
        payment={"type": payment_type(is_denied=bool(claim.nonpayment_reason)), "amount": money(claim.payment)},
        benefitBalance=_balance(claim),
    )


def _organization(facility: Provider) -> Element:
    return {
        "resourceType": "Organization",
        "id": "provider-org",
        "meta": {"profile": [f"{systems.CARIN}/StructureDefinition/C4BB-Organization"]},
        "identifier": [
            {"type": _CERTIFICATION_TYPE, "value": facility.certification_number},
            {"type": NPI_TYPE, "system": systems.NPI, "value": facility.npi},
        ],
        "active": True,
        "name": facility.name,
    }


def _extensions(claim: InstitutionalClaim) -> list[Element]:
    return [
        *extensions(fi_clm_actn_cd=claim.action_code if claim.admission else ""),
        *(
            {"url": variable(amount), "valueMoney": money(claim.amounts[amount])}
            for amount in _EXTENSION_AMOUNTS
            if amount in claim.amounts
        ),
        identifier_extension("fi_doc_clm_cntl_num", claim.control_number),
        {"url": variable("fi_clm_proc_dt"), "valueDate": claim.processed_date},
        *extensions(
            clm_mdcr_non_pmt_rsn_cd=claim.nonpayment_reason,
            clm_srvc_clsfctn_type_cd=claim.classification,
            fi_num=claim.contractor,
        ),
    ]


def _information(claim: InstitutionalClaim) -> list[Element]:
    admission = claim.admission
    entries: list[Element] = [
        information.recorded(claim.recorded_date),
        information.carin("typeofbill", code=concept(value("clm_freq_cd", claim.frequency))),
        *information.coded("clm_mco_pd_sw", claim.managed_care_paid),
        *information.coded("nch_prmry_pyr_cd", claim.primary_payer),
    ]
    if claim.discharge_status:
        status = concept(value("ptnt_dschrg_stus_cd", claim.discharge_status))
        entries.append(information.carin("discharge-status", code=status))
    if admission:
        entries += [
            information.carin("admissionperiod", timingPeriod=period(admission.start_date, admission.end_date)),
            information.carin(
                "admtype",
                "clm_ip_admsn_type_cd",
                code=concept(
                    coding(systems.NUBC_ADMISSION_PRIORITY, admission.priority),
                    value("clm_ip_admsn_type_cd", admission.priority),
                ),
            ),
            *information.coded("clm_src_ip_admsn_cd", admission.origin),
            *information.coded("nch_ptnt_stus_ind_cd", claim.patient_status),
            *information.coded("clm_pps_ind_cd", admission.pps_indicator),
        ]
        if admission.drg:
            drg = coding(variable("clm_drg_cd"), admission.drg.code, admission.drg.display or None)
            entries.append(information.of_cms("clm_drg_cd", code=concept(drg)))
    if claim.blood_pints is not None:
        pints = {"value": claim.blood_pints, "unit": "pint", "system": systems.UCUM, "code": "[pt_us]"}
        entries.append(information.of_cms("nch_blood_pnts_frnshd_qty", valueQuantity=pints))
    return entries


def _item(line: RevenueLine, claim: InstitutionalClaim) -> Element:
    revenue = present(
        extension=extensions(rev_cntr_stus_ind_cd=line.status_indicator),
        coding=[
            value("rev_cntr", line.revenue_center),
            coding(systems.NUBC_REVENUE, line.revenue_center),
            value("rev_cntr_ddctbl_coinsrnc_cd", line.cost_share_code),
        ],
    )
    return present(
        sequence=line.number,
        careTeamSequence=list(line.care_team),
        extension=[quantity_extension("rev_cntr_unit_cnt", line.units)],
        revenue=revenue,
        productOrService=_service(line, is_inpatient=claim.admission is not None),
        modifier=[concept(coding(systems.HCPCS, modifier)) for modifier in line.modifiers],
        servicedDate=line.service_date,
        locationAddress={"state": claim.facility.state},
        quantity={"value": line.units},
        adjudication=[
            *(denial_reason(name, reason) for name, reason in zip(_REASONS, line.adjustment_reasons, strict=False)),
            *adjudications(line.amounts, _LINE_AMOUNTS),
        ],
    )


def _service(line: RevenueLine, *, is_inpatient: bool) -> Element:
    if line.hcpcs and is_inpatient:
        return concept(
            coding(variable("hcpcs_cd"), line.hcpcs.code, line.hcpcs.display or None), hcpcs_coding(line.hcpcs)
        )
    return service(line.hcpcs)


def _balance(claim: InstitutionalClaim) -> list[Element]:
    financial = used(claim.amounts, _BALANCES)
    if claim.admission:
        financial += [
            used_count("clm_utlztn_day_cnt", claim.admission.covered_days),
            used_count("bene_tot_coinsrnc_days_cnt", claim.admission.coinsurance_days),
            used_count("bene_lrd_used_cnt", claim.admission.lifetime_reserve_days),
            used_count("clm_non_utlztn_days_cnt", claim.admission.noncovered_days),
        ]
        if claim.admission.drg_weight is not None:
            financial.append(stated("clm_pps_cptl_drg_wt_num", claim.admission.drg_weight))
    return benefit_balance(financial)
