"""The URLs of the code systems, profiles and identifiers that Medicare claims are written with. Pure."""

BLUE_BUTTON = "https://bluebutton.cms.gov/resources"
CARIN = "http://hl7.org/fhir/us/carin-bb"
THO = "http://terminology.hl7.org/CodeSystem"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"

# CMS: the names of data elements, each of them a code system; the claim types; the id of a group of claims.
VARIABLES = f"{BLUE_BUTTON}/variables"
ADJUDICATION = f"{BLUE_BUTTON}/codesystem/adjudication"
BENEFIT_BALANCE = f"{BLUE_BUTTON}/codesystem/benefit-balance"
CLAIM_GROUP = f"{BLUE_BUTTON}/identifier/claim-group"
EOB_TYPE = f"{BLUE_BUTTON}/codesystem/eob-type"
HCPCS = f"{BLUE_BUTTON}/codesystem/hcpcs"
IDENTIFIER_CURRENCY = f"{BLUE_BUTTON}/codesystem/identifier-currency"
INFORMATION = f"{BLUE_BUTTON}/codesystem/information"

# The data elements in which FISS and MCS, the systems that pay claims, have the last day of the service: a
# ClaimResponse has no place of its own for it, and exports are bounded by it.
FISS_SERVICE_END = f"{VARIABLES}/fiss/stmt-cov-to-cymd"
MCS_SERVICE_END = f"{VARIABLES}/mcs/hdr-to-date-of-svc"

# CARIN for Blue Button
CARIN_ADJUDICATION = f"{CARIN}/CodeSystem/C4BBAdjudication"
CARIN_ADJUDICATION_DISCRIMINATOR = f"{CARIN}/CodeSystem/C4BBAdjudicationDiscriminator"
CARIN_CARE_TEAM_ROLE = f"{CARIN}/CodeSystem/C4BBClaimCareTeamRole"
CARIN_DIAGNOSIS_TYPE = f"{CARIN}/CodeSystem/C4BBClaimDiagnosisType"
CARIN_IDENTIFIER_TYPE = f"{CARIN}/CodeSystem/C4BBIdentifierType"
CARIN_INSTITUTIONAL_SUBTYPE = f"{CARIN}/CodeSystem/C4BBInstitutionalClaimSubType"
CARIN_PAYER_STATUS = f"{CARIN}/CodeSystem/C4BBPayerAdjudicationStatus"
CARIN_PROCEDURE_TYPE = f"{CARIN}/CodeSystem/C4BBClaimProcedureType"
CARIN_SUPPORTING_INFO = f"{CARIN}/CodeSystem/C4BBSupportingInfoType"

# HL7's terminology
ACT_CODE = f"{THO}/v3-ActCode"
BENEFIT_CATEGORY = f"{THO}/ex-benefitcategory"
CARE_TEAM_ROLE = f"{THO}/claimcareteamrole"
CLAIM_INFORMATION = f"{THO}/claiminformationcategory"
CLAIM_TYPE = f"{THO}/claim-type"
COVERAGE_CLASS = f"{THO}/coverage-class"
DATA_ABSENT_REASON = f"{THO}/data-absent-reason"
DIAGNOSIS_TYPE = f"{THO}/ex-diagnosistype"
HL7_ADJUDICATION = f"{THO}/adjudication"
IDENTIFIER_TYPE = f"{THO}/v2-0203"
NULL_FLAVOR = f"{THO}/v3-NullFlavor"
PROCESS_PRIORITY = f"{THO}/processpriority"
RELATIONSHIP = f"{THO}/subscriber-relationship"

# Clinical codes, identifiers, units
HCPCS_RELEASE = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_10_PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
ICD_9_CM = "http://hl7.org/fhir/sid/icd-9-cm"
ICD_9_PROCEDURE = "http://www.cms.gov/Medicare/Coding/ICD9"
MBI = "http://hl7.org/fhir/sid/us-mbi"
NDC = "http://hl7.org/fhir/sid/ndc"
NPI = "http://hl7.org/fhir/sid/us-npi"
NUBC_ADMISSION_PRIORITY = "https://www.nubc.org/CodeSystem/PriorityTypeOfAdmitOrVisit"
NUBC_REVENUE = "https://www.nubc.org/CodeSystem/RevenueCodes"
OMB_RACE = "urn:oid:2.16.840.1.113883.6.238"
PROVIDER_TAXONOMY = "http://nucc.org/provider-taxonomy"
UCUM = "http://unitsofmeasure.org"
