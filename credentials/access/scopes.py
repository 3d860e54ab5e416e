"""SMART's system scopes, in both syntaxes: `system/Patient.read` (v1) and `system/Patient.rs` (v2). Pure.

The API is read-only, so at most the rights to read and to search are granted. An export needs both.
"""

import re
from collections.abc import Iterable, Sequence

ALL = "*"

# `.read`, `.write` and `.*` are v1. v2 has create, read, update, delete, search, in this order.
_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]{2,40})\.(read|write|\*|(?=[cruds])c?r?u?d?s?)")
_GRANTABLE = "rs"
_OF_V1 = {"read": "rs", "write": "cud", "*": "cruds"}

# FHIR R4, https://hl7.org/fhir/R4/resourcelist.html. A client that can have all types can ask for each one by name,
# even if this server never has it.
RESOURCE_TYPES = frozenset(
    """
    Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary
    BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem
    ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest
    CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
    CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement
    DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest
    EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
    FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy Immunization
    ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List
    Location Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
    MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization
    MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient
    MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged
    MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader
    MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition
    OperationOutcome Organization OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation
    Person PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse
    RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject
    RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition
    StructureDefinition StructureMap Subscription Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein
    SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task
    TerminologyCapabilities TestReport TestScript ValueSet VerificationResult VisionPrescription
    """.split()  # noqa: SIM905  # a list of 146 literals would take 146 lines
)


def granted(asked: Iterable[str]) -> list[str]:
    """Return the granted scopes: as requested, in their order, each once.

    A scope for more than reading is narrowed (`system/*.cruds` to `system/*.rs`). A scope is left out if it is unknown,
    can't be granted, or has a search (`?…`) that could not be enforced.
    """
    return list(dict.fromkeys(scope for each in asked if (scope := _grantable(each))))


def missing(scope: str, resource_types: Iterable[str]) -> list[str]:
    """Return the types in `resource_types` that the granted `scope` does not cover."""
    rights: dict[str, set[str]] = {}
    for each in scope.split():
        if match := _SCOPE.fullmatch(each):
            resource_type, letters = match.groups()
            rights.setdefault(resource_type, set()).update(_OF_V1.get(letters, letters))
    for_all = rights.get(ALL, set())
    return [each for each in resource_types if not set(_GRANTABLE) <= for_all | rights.get(each, set())]


def needed(resource_types: Iterable[str]) -> str:
    """Return the scope that covers `resource_types`, as a client requests it."""
    return " ".join(f"system/{each}.{_GRANTABLE}" for each in resource_types)


def supported(resource_types: Sequence[str]) -> list[str]:
    """Return the scopes that a server with these types supports."""
    return [f"system/{each}.{right}" for each in (ALL, *resource_types) for right in ("read", _GRANTABLE)]


def _grantable(asked: str) -> str | None:
    match = _SCOPE.fullmatch(asked)
    if match is None:
        return None
    resource_type, letters = match.groups()
    if resource_type != ALL and resource_type not in RESOURCE_TYPES:
        return None
    if letters in _OF_V1:
        return None if letters == "write" else f"system/{resource_type}.read"
    kept = "".join(letter for letter in letters if letter in _GRANTABLE)
    return f"system/{resource_type}.{kept}" if kept else None
