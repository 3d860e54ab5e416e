"""The terms for the facts in records.py: parts, kinds, code systems, roles and amounts of money. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Part(StrEnum):
    """A part of Medicare."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class ClaimKind(StrEnum):
    """The kinds of claims, with the words that their ids begin with. Another kind is another member here."""

    INPATIENT = "inpatient"
    OUTPATIENT = "outpatient"
    CARRIER = "carrier"
    PDE = "pde"


class CodeSystem(StrEnum):
    """Where a clinical code is from. The same digits have different meanings in different systems."""

    ICD_9_CM = "icd-9-cm"
    ICD_9_PROCEDURE = "icd-9-procedure"
    ICD_10_CM = "icd-10-cm"
    ICD_10_PCS = "icd-10-pcs"
    HCPCS = "hcpcs"
    MS_DRG = "ms-drg"


class CareRole(StrEnum):
    """A provider's role on a claim, in CARIN's words of release 1."""

    ATTENDING = "attending"
    OPERATING = "operating"
    OTHER_OPERATING = "otheroperating"
    PERFORMING = "performing"
    PRESCRIBING = "prescribing"
    PRIMARY = "primary"
    REFERRING = "referring"


class DiagnosisType(StrEnum):
    """A diagnosis's role on its claim, in CARIN's words."""

    ADMITTING = "admitting"
    EXTERNAL_CAUSE = "externalcauseofinjury"
    OTHER = "other"
    PRINCIPAL = "principal"
    REASON_FOR_VISIT = "patientreasonforvisit"
    SECONDARY = "secondary"


class Amount(StrEnum):
    """Amounts of money, with their names in the Chronic Conditions Warehouse."""

    # Institutional claims
    CLAIM_CHARGE = "clm_tot_chrg_amt"
    PRIMARY_PAYER_PAYMENT = "prpayamt"
    BLOOD_DEDUCTIBLE = "nch_bene_blood_ddctbl_lblty_am"
    PROFESSIONAL_COMPONENT = "nch_profnl_cmpnt_chrg_amt"
    # Inpatient claims
    PER_DIEM = "clm_pass_thru_per_diem_amt"
    INPATIENT_DEDUCTIBLE = "nch_bene_ip_ddctbl_amt"
    INPATIENT_COINSURANCE = "nch_bene_pta_coinsrnc_lblty_amt"
    INPATIENT_NONCOVERED = "nch_ip_ncvrd_chrg_amt"
    INPATIENT_DEDUCTIONS = "nch_ip_tot_ddctn_amt"
    CAPITAL = "clm_tot_pps_cptl_amt"
    CAPITAL_DISPROPORTIONATE_SHARE = "clm_pps_cptl_dsprprtnt_shr_amt"
    CAPITAL_EXCEPTION = "clm_pps_cptl_excptn_amt"
    CAPITAL_FEDERAL = "clm_pps_cptl_fsp_amt"
    CAPITAL_MEDICAL_EDUCATION = "clm_pps_cptl_ime_amt"
    CAPITAL_OUTLIER = "clm_pps_cptl_outlier_amt"
    CAPITAL_HOLD_HARMLESS = "clm_pps_old_cptl_hld_hrmls_amt"
    OUTLIER_PAYMENT = "nch_drg_outlier_aprvd_pmt_amt"
    MEDICAL_EDUCATION = "ime_op_clm_val_amt"
    DISPROPORTIONATE_SHARE = "dsh_op_clm_val_amt"
    UNCOMPENSATED_CARE = "clm_uncompd_care_pmt_amt"
    # Outpatient claims
    PART_B_DEDUCTIBLE = "nch_bene_ptb_ddctbl_amt"
    PART_B_COINSURANCE = "nch_bene_ptb_coinsrnc_amt"
    OUTPATIENT_PROVIDER_PAYMENT = "clm_op_prvdr_pmt_amt"
    OUTPATIENT_BENEFICIARY_PAYMENT = "clm_op_bene_pmt_amt"
    # Lines of institutional claims
    REVENUE_RATE = "rev_cntr_rate_amt"
    REVENUE_CHARGE = "rev_cntr_tot_chrg_amt"
    REVENUE_NONCOVERED = "rev_cntr_ncvrd_chrg_amt"
    REVENUE_BLOOD_DEDUCTIBLE = "rev_cntr_blood_ddctbl_amt"
    REVENUE_DEDUCTIBLE = "rev_cntr_cash_ddctbl_amt"
    REVENUE_COINSURANCE = "rev_cntr_coinsrnc_wge_adjstd_c"
    REVENUE_REDUCED_COINSURANCE = "rev_cntr_rdcd_coinsrnc_amt"
    REVENUE_FIRST_PAYER_PAYMENT = "rev_cntr_1st_msp_pd_amt"
    REVENUE_SECOND_PAYER_PAYMENT = "rev_cntr_2nd_msp_pd_amt"
    REVENUE_PROVIDER_PAYMENT = "rev_cntr_prvdr_pmt_amt"
    REVENUE_BENEFICIARY_PAYMENT = "rev_cntr_bene_pmt_amt"
    REVENUE_PATIENT_RESPONSIBILITY = "rev_cntr_ptnt_rspnsblty_pmt"
    REVENUE_PAYMENT = "rev_cntr_pmt_amt_amt"
    # Claims of physicians and suppliers
    CARRIER_DEDUCTIBLE = "carr_clm_cash_ddctbl_apld_amt"
    CARRIER_PROVIDER_PAYMENT = "nch_clm_prvdr_pmt_amt"
    CARRIER_BENEFICIARY_PAYMENT = "nch_clm_bene_pmt_amt"
    CARRIER_SUBMITTED = "nch_carr_clm_sbmtd_chrg_amt"
    CARRIER_ALLOWED = "nch_carr_clm_alowd_amt"
    CARRIER_PRIMARY_PAYER_PAYMENT = "carr_clm_prmry_pyr_pd_amt"
    # Their lines
    LINE_PAYMENT = "line_nch_pmt_amt"
    LINE_BENEFICIARY_PAYMENT = "line_bene_pmt_amt"
    LINE_PROVIDER_PAYMENT = "line_prvdr_pmt_amt"
    LINE_DEDUCTIBLE = "line_bene_ptb_ddctbl_amt"
    LINE_PRIMARY_PAYER_PAYMENT = "line_bene_prmry_pyr_pd_amt"
    LINE_COINSURANCE = "line_coinsrnc_amt"
    LINE_SUBMITTED = "line_sbmtd_chrg_amt"
    LINE_ALLOWED = "line_alowd_chrg_amt"
    # Part D events
    COVERED_PLAN_PAYMENT = "cvrd_d_plan_pd_amt"
    NONCOVERED_PLAN_PAYMENT = "ncvrd_plan_pd_amt"
    COST_BELOW_THRESHOLD = "gdc_blw_oopt_amt"
    COST_ABOVE_THRESHOLD = "gdc_abv_oopt_amt"
    PATIENT_PAYMENT = "ptnt_pay_amt"
    OTHER_OUT_OF_POCKET = "othr_troop_amt"
    LOW_INCOME_SUBSIDY = "lics_amt"
    OTHER_PAYER_REDUCTION = "plro_amt"
    DRUG_COST = "tot_rx_cst_amt"
    GAP_DISCOUNT = "rptd_gap_dscnt_num"


Amounts = Mapping[Amount, Decimal]


@dataclass(frozen=True, slots=True)
class Coded:
    """A code and its meaning, in a few words of our own."""

    code: str
    display: str = ""
