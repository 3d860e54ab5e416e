"""A version of the API that an app of EXTRA_APPS adds: loaded with version 2, exported and reverted beside it."""

import json
import re
from collections import Counter

import pytest

from exports.models import Load
from tests.journeys.conftest import Running
from tests.journeys.test_export_over_http import Caller
from tests.toys.version import VERSION
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS

pytestmark = pytest.mark.journey

SIZE, PEOPLE = "simple-50", 50
GROUP = "/api/v{}/Group/all/$export"


@pytest.fixture
def toys(running_with) -> Running:
    return running_with({"EXTRA_APPS": "tests.toys.apps.ToysConfig"})


@pytest.fixture
def caller(toys) -> Caller:
    """A client of a new sandbox, which has an access token."""
    said = toys.manage("make_sandbox", SIZE, "--processes", "1", "--with-client", HOME_ADDRESS)
    client_id, secret = (re.search(rf"client {what} +(\S+)", said)[1] for what in ("ID", "secret"))
    caller = Caller(toys.base_url, client_id, secret)
    assert caller.sign_in().status_code == 200
    return caller


def exported(caller: Caller, version: int) -> list[dict]:
    return caller.resources(caller.export(GROUP.format(version)))


def counted(resources: list[dict]) -> Counter[str]:
    return Counter(resource["resourceType"] for resource in resources)


def refusals(caller: Caller, version: int) -> list[tuple[int, dict]]:
    """What a client is told that asks for what is not there: by a view, the router, and the gate."""
    api = f"/api/v{version}"
    answers = [
        caller.http.get(f"{api}/Group/none/$export", headers=KICK_OFF_HEADERS),
        caller.http.get(f"{api}/Patient/$export?_type=Observation", headers=KICK_OFF_HEADERS),
        caller.http.get(f"{api}/jobs/987654321"),
        caller.http.get(f"{api}/nothing"),
        caller.http.get(f"{api}/jobs/1", headers={"Authorization": "Bearer guessed"}),
        caller.http.put(f"{api}/metadata"),
    ]
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/fhir+json"}
    return [(answer.status_code, answer.json()["issue"][0]) for answer in answers]


def test_it_is_exported_beside_version_2_and_one_load_has_both(caller):
    two, nine = exported(caller, 2), exported(caller, 9)

    assert counted(two)["Patient"] == counted(nine)["Patient"] == PEOPLE
    assert counted(two)["ExplanationOfBenefit"] == counted(nine)["ExplanationOfBenefit"] > PEOPLE
    assert counted(nine).keys() == {"Patient", "ExplanationOfBenefit"}
    assert all(resource["id"].startswith("nine-") for resource in nine)
    assert not any(resource["id"].startswith("nine-") for resource in two)
    assert [load.versions for load in Load.objects.all()] == [[2, 9], [2, 9]]


def test_it_writes_errors_and_capabilities_in_its_own_way(caller):
    two, nine = refusals(caller, 2), refusals(caller, 9)

    assert [status for status, _ in nine] == [status for status, _ in two] == [400, 400, 404, 404, 401, 405]
    assert all(issue.keys() == {"severity", "code", "nine"} and issue["severity"] == "fatal" for _, issue in nine)
    assert all(issue["details"]["coding"][0]["code"] == "Request Error" for _, issue in two)
    assert [issue["nine"] for _, issue in nine][2:] == [issue["diagnostics"] for _, issue in two][2:]
    no_since = caller.http.get(f"{GROUP.format(9)}?_since=2026-01-01T00:00:00Z", headers=KICK_OFF_HEADERS)
    assert (no_since.status_code, "support the _since parameter" in no_since.text) == (400, True)
    capabilities = caller.http.get(f"/{VERSION.path}metadata").json()
    assert capabilities["fhirVersion"] == "5.0.0"


def test_reverting_a_load_reverts_both_versions(toys, caller):
    last, first = Load.objects.all()
    edge = re.search(r", (\S+) to ", last.source)[1]
    before = {version: exported(caller, version) for version in (2, 9)}

    toys.manage("revert_load", str(last.pk))
    after = {version: exported(caller, version) for version in (2, 9)}
    toys.manage("revert_load", str(first.pk))
    nothing = [caller.http.get(GROUP.format(version), headers=KICK_OFF_HEADERS) for version in (2, 9)]

    for version in (2, 9):
        ends = [each["billablePeriod"]["end"] for each in after[version] if "billablePeriod" in each]
        assert ends
        assert max(ends) < edge
        assert len(ends) < counted(before[version])["ExplanationOfBenefit"]
    assert [answer.status_code for answer in nothing] == [404, 404]
    assert "No claims are loaded in version 2" in nothing[0].json()["issue"][0]["diagnostics"]
    assert "No claims are loaded in version 9" in nothing[1].json()["issue"][0]["nine"]


def test_files_of_its_resources_are_loaded_for_it_alone(toys, caller, tmp_path):
    patient = next(each for each in exported(caller, 9) if each["resourceType"] == "Patient")
    before = exported(caller, 2)
    file = tmp_path / "patients.ndjson"
    file.write_text(json.dumps({**patient, "note": "loaded"}))

    said = toys.manage("load_claims", str(file), "--api-version", "9")

    assert "1 Patient of 1 beneficiary" in said
    assert [each["id"] for each in exported(caller, 9) if each.get("note") == "loaded"] == [patient["id"]]
    assert exported(caller, 2) == before
