"""CapabilityStatement: what the API supports. Pure."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

BULK_DATA = "http://hl7.org/fhir/uv/bulkdata"
SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def capability_statement(
    *,
    base_url: str,
    token_url: str,
    fhir_version: str,
    resource_types: Sequence[str],
    software_version: str,
    now: dt.datetime,
) -> dict[str, Any]:
    """Return the CapabilityStatement of one API version. The URLs are absolute; `now` is in UTC."""
    documentation = (
        f"Exports {', '.join(resource_types)}. Use `_type` to choose some of them. "
        "If your organization has no access to a type, the export leaves it out, and a request for it gets an error."
    )
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "publisher": "Claimsgate",
        "kind": "instance",
        "instantiates": [f"{BULK_DATA}/CapabilityStatement/bulk-data"],
        "software": {"name": "Claimsgate", "version": software_version},
        "implementation": {"description": "Medicare claims in bulk, for responsible organizations", "url": base_url},
        "fhirVersion": fhir_version,
        "format": ["application/fhir+json", "application/json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "extension": [{"url": OAUTH_URIS, "extension": [{"url": "token", "valueUri": token_url}]}],
                    "service": [{"coding": [{"system": SECURITY_SERVICE, "code": "OAuth", "display": "OAuth"}]}],
                },
                "resource": [
                    _resource("Group", "group-export", documentation),
                    _resource("Patient", "patient-export", documentation),
                ],
            }
        ],
    }


def _resource(resource_type: str, operation: str, documentation: str) -> dict[str, Any]:
    definition = f"{BULK_DATA}/OperationDefinition/{operation}"
    operations = [{"name": "export", "definition": definition, "documentation": documentation}]
    return {"type": resource_type, "operation": operations}
