"""A version of the API: 9, which says little of a claim, writes errors in a way of its own, and has no `_since`."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from exports.fhir.common.capability_statement import capability_statement
from exports.fhir.common.resource import Resource
from exports.records import BeneficiaryRecord
from exports.versions import ApiVersion

MBI = "http://hl7.org/fhir/sid/us-mbi"


def render(record: BeneficiaryRecord, *, last_updated: dt.datetime) -> Iterator[Resource]:
    patient_id = f"nine-{abs(record.person.beneficiary_id)}"
    meta = {"lastUpdated": last_updated.isoformat()}
    yield _resource("Patient", patient_id, meta=meta, identifier=[{"system": MBI, "value": record.person.mbi}])
    for claim in record.disclosable_claims:
        yield _resource(
            "ExplanationOfBenefit",
            f"nine-{claim.kind}-{abs(claim.claim_id)}",
            claim.through_date,
            meta=meta,
            patient={"reference": f"Patient/{patient_id}"},
            billablePeriod={"end": claim.through_date.isoformat()},
        )


def error(code: str, diagnostics: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal", "code": code, "nine": diagnostics}]}


def _resource(resource_type: str, resource_id: str, service_date: dt.date | None = None, **elements: Any) -> Resource:
    body = {"resourceType": resource_type, "id": resource_id, **elements}
    return Resource(resource_type, resource_id, service_date, body)


VERSION = ApiVersion(
    number=9,
    fhir_version="5.0.0",
    resource_types=("Patient", "ExplanationOfBenefit"),
    render=render,
    error=error,
    capability_statement=capability_statement,
    filters=frozenset({"_type"}),
)
