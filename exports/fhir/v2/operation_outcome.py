"""OperationOutcome, the format of errors. Pure."""

from typing import Any

# BCDA's v2 writes this code for every error, with this system.
_DETAILS_SYSTEM = "http://hl7.org/fhir/ValueSet/operation-outcome"
_DETAILS_CODE = "Request Error"


def error(code: str, diagnostics: str) -> dict[str, Any]:
    """Return an R4 OperationOutcome with one error, as BCDA's v2 writes it. `code` is of FHIR's issue-type."""
    details: dict[str, Any] = {"coding": [{"system": _DETAILS_SYSTEM, "code": _DETAILS_CODE}]}
    issue: dict[str, Any] = {"severity": "error", "code": code}
    if diagnostics:
        details["coding"][0]["display"] = diagnostics
        details["text"] = diagnostics
        issue["diagnostics"] = diagnostics
    return {"resourceType": "OperationOutcome", "issue": [{**issue, "details": details}]}
