"""A client's calls, and what it is told."""

import pytest

from exports.models import Job
from tests.world import ApiClient

# Where a whole export is run: its lease is renewed over a connection of its own, which sees committed rows only.
committed = pytest.mark.django_db(transaction=True)

ADJUDICATED = ["Patient", "Coverage", "ExplanationOfBenefit"]
ALL_TYPES = [*ADJUDICATED, "Claim", "ClaimResponse"]

GROUP, PATIENT = "/api/v2/Group/all/$export", "/api/v2/Patient/$export"


def kicked_off(api: ApiClient, path: str = GROUP) -> Job:
    location = api.kick_off(path)["Content-Location"]
    return Job.objects.get(pk=location.rpartition("/")[2])


def outcome(response) -> str:
    assert response["Content-Type"] == "application/fhir+json"
    body = response.json()
    assert body["resourceType"] == "OperationOutcome"
    (issue,) = body["issue"]
    assert issue["severity"] == "error"
    assert issue["details"]["coding"][0]["code"] == "Request Error"
    assert issue["details"]["text"] == issue["diagnostics"]
    return issue["diagnostics"]
