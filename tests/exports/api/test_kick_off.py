"""The kick-off: what a client may ask for, and what it is told, byte for byte where BCDA's clients depend on it."""

import datetime as dt
from dataclasses import replace

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection
from django.utils import timezone

from credentials.models import AuditEvent
from credentials.programs import PROGRAMS, SSP, ApiVersions
from credentials.trail.audit import Action
from exports.claims.loader import loading
from exports.models import Job
from tests.exports.api.calls import ADJUDICATED, ALL_TYPES, GROUP, PATIENT, kicked_off, outcome, unhurried
from tests.exports.store import arrival, exported, fill, load, patient, run, start
from tests.world import KICK_OFF_HEADERS, ApiClient

NOT_AN_INSTANT = "Invalid date format supplied in _since parameter.  Date must be in FHIR Instant format."
NOT_PASSED_YET = "Invalid date format supplied in _since parameter. Date must be a date that has already passed"
TOO_EARLY = "Invalid date format supplied in _since parameter. Date must not be before 1900-01-01T00:00:00Z"
ONLY_FHIR = "application/fhir+json is the only supported response format"
ONLY_ASYNCHRONOUS = "Only asynchronous responses are supported"
SUPPORTED = "Supported types [Patient, Coverage, ExplanationOfBenefit, Claim, ClaimResponse]"
FORMATS = "[application/fhir+ndjson application/ndjson ndjson]"


@pytest.fixture
def partial(world, api) -> dict[str, ApiClient]:
    """Clients of Harbor, whose model has no partially adjudicated claims, and of Mesa, whose model has; both are
    responsible for the same person, of whom there are some."""
    (mbi,) = world.beneficiaries(1)
    world.roster(world.harbor, [mbi])
    world.roster(world.mesa, [mbi])
    claims = [arrival(name, f"f-{mbi}", service_date=timezone.localdate()) for name in ("Claim", "ClaimResponse")]
    load({mbi: [patient(mbi), *claims]})
    return {"harbor": api, "mesa": world.api_client(world.mesa).sign_in()}


@pytest.mark.parametrize(("path", "scope"), [(GROUP, Job.Scope.GROUP_ALL), (PATIENT, Job.Scope.PATIENT)])
def test_a_kick_off_is_accepted_with_the_jobs_url(api, world, path, scope):
    response = api.kick_off(f"{path}?_type=Patient")

    assert response.status_code == 202
    assert response.content == b""
    job = Job.objects.get()
    assert response["Content-Location"] == f"http://testserver/api/v2/jobs/{job.pk}"
    assert (job.organization, job.client, job.scope) == (world.harbor, api.client, scope)
    assert job.resource_types == ["Patient"]
    assert job.request_url == f"http://testserver{path}?_type=Patient"
    assert AuditEvent.objects.for_organization(world.harbor).filter(action=Action.EXPORT_STARTED).count() == 1


def test_without_type_all_types_are_exported_that_the_organization_may_have(partial):
    assert kicked_off(partial["harbor"]).resource_types == ADJUDICATED
    assert kicked_off(partial["mesa"]).resource_types == ALL_TYPES


@unhurried
def test_partially_adjudicated_claims_are_exported_for_those_who_may_have_them(partial):
    given = {name: exported(run(kicked_off(client))) for name, client in partial.items()}
    asked = exported(run(kicked_off(partial["mesa"], f"{GROUP}?_type=ClaimResponse")))

    assert set(given["harbor"]) == {"Patient"}
    assert set(given["mesa"]) == {"Patient", "Claim", "ClaimResponse"}
    assert asked == {"ClaimResponse": given["mesa"]["Claim"]}


@pytest.mark.parametrize(
    ("query", "diagnostics"),
    [
        ("_type=Claim", "unauthorized resource type Claim"),
        ("_type=ClaimResponse", "unauthorized resource type ClaimResponse"),
        ("_type=Patient,Claim", "unauthorized resource type Claim"),
        ("_type=Claim,ClaimResponse,Patient", "unauthorized resource type Claim"),
        ("_type=ClaimResponse,Claim", "unauthorized resource type ClaimResponse"),
        ("_type=Patient&_type=Claim", "unauthorized resource type Claim"),
        ("_type=Claim&_type=Patient", "unauthorized resource type Claim"),
        ("_type=Patient,Coverage&_type=ExplanationOfBenefit,ClaimResponse", "unauthorized resource type ClaimResponse"),
        ("_type=%43laim", "unauthorized resource type Claim"),
        ("_type=Patient%2CClaim", "unauthorized resource type Claim"),
        ("_type=Claim,Observation", "unauthorized resource type Claim"),
        ("_type=Observation,Claim", f"invalid resource type Observation. {SUPPORTED}"),
        ("_type=claim", f"invalid resource type claim. {SUPPORTED}"),
        ("_type=CLAIM", f"invalid resource type CLAIM. {SUPPORTED}"),
        ("_type=cLAIMrESPONSE", f"invalid resource type cLAIMrESPONSE. {SUPPORTED}"),
        ("_type=Claim%20", f"invalid resource type Claim . {SUPPORTED}"),
        ("_type=%20Claim", f"invalid resource type  Claim. {SUPPORTED}"),
        ("_type=Claim%00", f"invalid resource type Claim\0. {SUPPORTED}"),
        ("_type=Claim,Claim", "Repeated resource type Claim"),
        ("_type=Claim&_type=Claim", "Repeated resource type Claim"),
        ("_type=,Claim", f"invalid resource type . {SUPPORTED}"),
    ],
)  # fmt: skip
def test_others_ask_for_them_in_vain(partial, query, diagnostics):
    responses = [partial["harbor"].kick_off(f"{path}?{query}") for path in (GROUP, PATIENT)]

    for response in responses:
        assert response.status_code == 400
        assert outcome(response) == diagnostics
        assert response.json()["issue"][0]["code"] == "structure"
    assert not Job.objects.exists()
    assert not AuditEvent.objects.filter(action=Action.EXPORT_STARTED).exists()


@pytest.mark.parametrize(
    "query",
    ["_typeFilter=Claim%3Fservice-date%3Dgt2020", "_Type=Claim", "_type%20=Claim", "type=Claim", "_type[]=Claim",
     "_type=Patient&_TYPE=Claim"],
)  # fmt: skip
def test_another_parameter_does_not_bring_them_either(partial, query):
    response = partial["harbor"].kick_off(f"{GROUP}?{query}")

    assert response.status_code in (202, 400)
    assert not [job for job in Job.objects.all() if {"Claim", "ClaimResponse"} & set(job.resource_types)]


@pytest.mark.parametrize(
    ("path", "headers", "diagnostics"),
    [
        (f"{GROUP}?_type=Claim,Claim", {}, "Repeated resource type Claim"),
        (f"{GROUP}?_type=Claim", {}, "Accept header is required"),
        (f"{GROUP}?_type=Claim", {"Accept": "application/fhir+json"}, "Prefer header is required"),
        ("/api/v2/Group/other/$export?_type=Claim", KICK_OFF_HEADERS, "Invalid group ID"),
        ("/api/v2/Group/other/$export?_type=Observation", KICK_OFF_HEADERS, "Invalid group ID"),
        (f"{GROUP}?_type=Claim", KICK_OFF_HEADERS, "unauthorized resource type Claim"),
    ],
)
def test_whether_types_may_be_had_is_asked_after_the_headers_and_the_group(partial, path, headers, diagnostics):
    assert outcome(partial["harbor"].get(path, **headers)) == diagnostics


def test_whether_types_may_be_had_is_asked_before_the_roster_is_looked_for(world):
    api = world.api_client().sign_in()

    response = api.kick_off(f"{GROUP}?_type=Claim")

    assert (response.status_code, outcome(response)) == (400, "unauthorized resource type Claim")


@pytest.mark.parametrize(
    ("query", "diagnostics"),
    [
        ("_outputFormat=text/csv", f"_outputFormat parameter must be one of {FORMATS}"),
        ("_elements=id", "Invalid parameter: this server does not support the _elements parameter."),
        ("?_type=Patient", "Invalid parameter: query parameters cannot start with ?"),
        ("_since=2024-01-01", NOT_AN_INSTANT),
        ("_since=2024-13-01T00:00:00Z", NOT_AN_INSTANT),
        ("_since=2024-01-01T00:00Z", NOT_AN_INSTANT),
        ("_since=", NOT_AN_INSTANT),
        ("_since=2999-01-01T00:00:00Z", NOT_PASSED_YET),
        # Each is a time in its own zone; in UTC it is before Christ, or after the year 9999.
        ("_since=0001-01-01T00:00:00%2B05:30", TOO_EARLY),
        ("_since=0001-01-01T00:00:00Z", TOO_EARLY),
        ("_since=1900-01-01T00:00:00%2B00:01", TOO_EARLY),
        ("_since=1899-12-31T23:59:59.999Z", TOO_EARLY),
        ("_since=9999-12-31T23:59:59-14:00", NOT_PASSED_YET),
        ("_since=%D9%A2%D9%A0%D9%A2%D9%A4-01-01T00:00:00Z", NOT_AN_INSTANT),
        ("_type=Patient,Patient", "Repeated resource type Patient"),
        ("_type=Patient&_type=Patient", "Repeated resource type Patient"),
        ("_type=Observation", f"invalid resource type Observation. {SUPPORTED}"),
        ("_type=", f"invalid resource type . {SUPPORTED}"),
        ("_elements=id&_since=bad&_type=x", "Invalid parameter: this server does not support the _elements parameter."),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_refused_in_bcdas_words(api, query, diagnostics):
    response = api.kick_off(f"{GROUP}?{query}")

    assert response.status_code == 400
    assert outcome(response) == diagnostics
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "_outputFormat=ndjson", "_outputFormat=application/fhir+ndjson", "_outputFormat=application%2Fndjson",
        "_since=2024-01-01T00:00:00Z", "_since=2024-01-01T00:00:00.123-05:00", "_since=2024-01-01T00:00:00+05:00",
        "_type=Patient,Coverage", "_type=Patient&_type=Coverage", "patient=Patient/1", "_unknown=1",
    ],
)  # fmt: skip
def test_good_and_unknown_parameters_are_accepted(api, query):
    assert api.kick_off(f"{GROUP}?{query}").status_code == 202


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("1900-01-01T00:00:00Z", dt.datetime(1900, 1, 1, tzinfo=dt.UTC)),
        ("1899-12-31T19:00:00-05:00", dt.datetime(1900, 1, 1, tzinfo=dt.UTC)),
        ("2024-01-01T00:00:00.5+05:30", dt.datetime(2023, 12, 31, 18, 30, 0, 500_000, dt.UTC)),
    ],
)
def test_since_is_kept_in_utc(api, given, moment):
    api.kick_off(f"{GROUP}?_since={given.replace('+', '%2B')}")

    job = Job.objects.get()
    assert job.since == moment
    assert AuditEvent.objects.get(action="export.started").detail["since"] == moment.isoformat()
    assert api.get(f"/api/v2/jobs/{job.pk}").status_code == 202


@pytest.mark.parametrize("since", ["0001-12-31 18:30:00+00 BC", "1899-12-31 23:59:59+00", "10000-01-01 00:00:00+00"])
def test_the_database_takes_no_since_that_nobody_can_read(api, since):
    api.kick_off(GROUP)

    with pytest.raises(IntegrityError, match="job_since_can_be_read"), connection.cursor() as cursor:
        cursor.execute("UPDATE exports_job SET since = %s", [since])


@pytest.mark.parametrize(
    ("headers", "diagnostics"),
    [
        ({"Prefer": "respond-async"}, "Accept header is required"),
        ({"Accept": " ", "Prefer": "respond-async"}, "Accept header is required"),
        ({"Accept": "*/*", "Prefer": "respond-async"}, ONLY_FHIR),
        ({"Accept": "application/json", "Prefer": "respond-async"}, ONLY_FHIR),
        ({"Accept": "application/fhir+json"}, "Prefer header is required"),
        ({"Accept": "application/fhir+json", "Prefer": "handling=lenient"}, ONLY_ASYNCHRONOUS),
    ],
)  # fmt: skip
def test_the_headers_are_required(api, headers, diagnostics):
    response = api.get(GROUP, **headers)

    assert response.status_code == 400
    assert outcome(response) == diagnostics
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "accept",
    ["APPLICATION/FHIR+JSON", "application/fhir+json; charset=utf-8", "application/fhir+json, application/json"],
)
@pytest.mark.parametrize("prefer", ["RESPOND-ASYNC", "respond-async,handling=lenient", "respond-async; wait=10"])
def test_the_headers_are_read_as_http_has_it(api, accept, prefer):
    assert api.get(GROUP, Accept=accept, Prefer=prefer).status_code == 202


def test_another_group_is_refused(api):
    response = api.kick_off("/api/v2/Group/anything/$export")

    assert response.status_code == 400
    assert outcome(response) == "Invalid group ID"


def test_without_a_roster_there_is_nothing_to_export(world):
    api = world.api_client().sign_in()

    response = api.kick_off()

    assert response.status_code == 404
    assert outcome(response) == "failed to start job; attribution file not found"


def test_what_was_loaded_before_a_version_was_added_is_an_error_and_no_empty_export(world, monkeypatch):
    (mbi,) = world.beneficiaries(1)
    world.roster(world.harbor, [mbi])
    with loading("before version 2 was added") as under_way:
        under_way.add(mbi, [patient(mbi)], version=1)
    api = world.api_client().sign_in()

    response = api.kick_off()

    assert response.status_code == 404
    assert outcome(response) == (
        "No claims are loaded in version 2 of this API, so there is nothing to export. Ask the operator of this server "
        "to load them in this version, or use another version."
    )
    assert not Job.objects.exists()
    load({mbi: [patient(mbi)]})
    assert api.kick_off().status_code == 202


@pytest.mark.parametrize("query", ["", "?_type=Patient", "?_since=nonsense"])
def test_a_version_that_the_program_does_not_have_is_refused_whatever_is_asked_for(api, monkeypatch, query):
    monkeypatch.setitem(PROGRAMS._entries, "SSP", replace(SSP, api_versions=ApiVersions(without=frozenset({2}))))

    response = api.kick_off(f"{GROUP}{query}")

    assert response.status_code == 403
    assert outcome(response) == ("A9994 can't use version 2 of this API. Use another version.")
    assert not Job.objects.exists()


def test_no_other_way_starts_an_export_in_a_version_that_the_program_does_not_have(world, monkeypatch):
    monkeypatch.setitem(PROGRAMS._entries, "SSP", replace(SSP, api_versions=ApiVersions(only=frozenset({9}))))
    world.roster(world.harbor, world.beneficiaries(1))
    fill(world)

    with pytest.raises(PermissionDenied, match="version 2"):
        start(world.harbor)

    assert not Job.objects.exists()
