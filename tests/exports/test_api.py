"""The wire: what clients see, byte for byte where BCDA's clients depend on it."""

import datetime as dt
import gzip
import json
from email.utils import parsedate_to_datetime

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from credentials.audit import Action
from credentials.models import AuditEvent
from exports.models import Job
from tests.exports.store import arrival, exported, load, patient, run
from tests.world import KICK_OFF_HEADERS, ApiClient, OrganizationFactory

# Where a whole export is run.
unhurried = pytest.mark.usefixtures("unhurried")

NOT_AN_INSTANT = "Invalid date format supplied in _since parameter.  Date must be in FHIR Instant format."
NOT_PASSED_YET = "Invalid date format supplied in _since parameter. Date must be a date that has already passed"
TOO_EARLY = "Invalid date format supplied in _since parameter. Date must not be before 1900-01-01T00:00:00Z"
ONLY_FHIR = "application/fhir+json is the only supported response format"
ONLY_ASYNCHRONOUS = "Only asynchronous responses are supported"
ADJUDICATED = ["Patient", "Coverage", "ExplanationOfBenefit"]
ALL_TYPES = [*ADJUDICATED, "Claim", "ClaimResponse"]
SUPPORTED = "Supported types [Patient, Coverage, ExplanationOfBenefit, Claim, ClaimResponse]"
FORMATS = "[application/fhir+ndjson application/ndjson ndjson]"

GROUP, PATIENT = "/api/v2/Group/all/$export", "/api/v2/Patient/$export"


@pytest.fixture
def api(world) -> ApiClient:
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi), arrival("ExplanationOfBenefit", f"e-{mbi}")] for mbi in mbis})
    return world.api_client().sign_in()


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


def test_whose_id_fits_no_model_may_have_adjudicated_claims_only(world):
    stranger = OrganizationFactory(entity_id="ZZZ999")
    world.roster(stranger, world.beneficiaries(1))
    api = world.api_client(stranger).sign_in()

    refused = api.kick_off(f"{GROUP}?_type=Claim")

    assert outcome(refused) == "unauthorized resource type Claim"
    assert kicked_off(api).resource_types == ADJUDICATED


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


@unhurried
def test_a_job_is_followed_from_pending_to_its_manifest(api):
    job = kicked_off(api)
    path = f"/api/v2/jobs/{job.pk}"

    pending = api.get(path)
    job.advance(from_=Job.Status.PENDING, to=Job.Status.IN_PROGRESS)
    in_progress = api.get(path)
    job.advance(from_=Job.Status.IN_PROGRESS, to=Job.Status.PENDING)
    job = run(job)
    finished = api.get(path)

    assert (pending.status_code, pending["X-Progress"], pending["Retry-After"]) == (202, "Pending", "1")
    assert (in_progress.status_code, in_progress["X-Progress"]) == (202, "In Progress (0%)")
    assert finished.status_code == 200
    assert finished["Content-Type"] == "application/json"
    assert abs((parsedate_to_datetime(finished["Expires"]) - job.expires_at).total_seconds()) < 1
    manifest = finished.json()
    assert list(manifest) == ["transactionTime", "request", "requiresAccessToken", "output", "error", "JobID"]
    assert manifest["request"] == job.request_url
    assert (manifest["requiresAccessToken"], manifest["error"], manifest["JobID"]) == (True, [], job.pk)
    assert manifest["output"] == [
        {"type": file.resource_type, "url": f"http://testserver/data/{job.pk}/{file.name}", "count": 2}
        for file in job.files.all()
    ]


def test_a_failed_a_cancelled_and_an_expired_job_are_told_apart(api):
    jobs = [kicked_off(api) for _ in range(3)]
    for job, status in zip(jobs, (Job.Status.FAILED, Job.Status.CANCELLED, Job.Status.EXPIRED), strict=True):
        job.advance(from_=Job.Status.PENDING, to=status)

    responses = [api.get(f"/api/v2/jobs/{job.pk}") for job in jobs]

    assert [response.status_code for response in responses] == [500, 404, 410]
    assert outcome(responses[0]) == "Service encountered numerous errors. Job failed to complete."
    assert outcome(responses[1]) == "Job has been cancelled."


def test_a_job_can_be_cancelled_while_it_runs_and_not_afterwards(api, world):
    job = kicked_off(api)

    first = api.delete(f"/api/v2/jobs/{job.pk}")
    second = api.delete(f"/api/v2/jobs/{job.pk}")

    assert (first.status_code, first.content) == (202, b"")
    assert second.status_code == 410
    assert outcome(second) == "job was not cancelled because it is not Pending or In Progress"
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert AuditEvent.objects.for_organization(world.harbor).filter(action=Action.EXPORT_CANCELLED).count() == 1


@pytest.mark.parametrize("job_id", ["abc", "-1", "1.5", "9" * 40, "٣"])
def test_what_is_no_job_id_is_a_bad_request(api, job_id):
    assert api.get(f"/api/v2/jobs/{job_id}").status_code == 400


@unhurried
@pytest.mark.parametrize("accept_encoding", ["gzip", "deflate, gzip;q=0.5", "*", "br;q=1.0, gzip;q=0.8, *;q=0.1"])
def test_a_client_that_takes_gzip_gets_the_stored_bytes(api, accept_encoding):
    job = run(kicked_off(api))
    file = job.files.get(resource_type="Patient")

    response = api.get(f"/data/{job.pk}/{file.name}", **{"Accept-Encoding": accept_encoding})

    body = response.getvalue()
    assert (response["Content-Type"], response["Content-Encoding"]) == ("application/fhir+ndjson", "gzip")
    assert int(response["Content-Length"]) == len(body) == file.stored_length
    assert [json.loads(line)["resourceType"] for line in gzip.decompress(body).splitlines()] == ["Patient"] * 2


@unhurried
@pytest.mark.parametrize("accept_encoding", ["", "identity", "gzip;q=0", "br", "gzip;q=0, *", "gzip;q=nonsense"])
def test_another_client_gets_plain_ndjson(api, accept_encoding):
    job = run(kicked_off(api))
    file = job.files.get(resource_type="Patient")

    response = api.get(f"/data/{job.pk}/{file.name}", **{"Accept-Encoding": accept_encoding})

    body = response.getvalue()
    assert "Content-Encoding" not in response
    assert int(response["Content-Length"]) == len(body) == file.raw_length
    assert len(body.splitlines()) == 2


@unhurried
def test_a_download_is_written_down(api, world):
    job = run(kicked_off(api))

    api.get(f"/data/{job.pk}/{job.files.first().name}").getvalue()

    event = AuditEvent.objects.for_organization(world.harbor).get(action=Action.EXPORT_DOWNLOADED)
    assert (event.client, event.detail["job"]) == (api.client, job.pk)


@unhurried
def test_to_a_stranger_a_job_and_its_files_do_not_exist(api, world):
    job = run(kicked_off(api))
    paths = [f"/api/v2/jobs/{job.pk}", f"/data/{job.pk}/{job.files.first().name}"]
    stranger = world.api_client(world.mesa, name="Theirs").sign_in()

    responses = [stranger.get(path) for path in paths]
    cancelled = stranger.delete(paths[0])

    assert [response.status_code for response in (*responses, cancelled)] == [404, 404, 404]
    assert {outcome(response) for response in (*responses, cancelled)} == {outcome(stranger.get("/api/v2/jobs/999999"))}
    assert not AuditEvent.objects.filter(action__in=[Action.EXPORT_DOWNLOADED, Action.EXPORT_CANCELLED]).exists()


@unhurried
def test_a_file_of_one_job_is_not_found_under_another(api):
    first, second = run(kicked_off(api)), run(kicked_off(api))

    assert api.get(f"/data/{second.pk}/{first.files.first().name}").status_code == 404


@unhurried
@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "..", ".hidden", "%00", "a.ndjson"])
def test_a_name_that_is_no_file_of_the_job_is_not_found(api, name):
    job = run(kicked_off(api))

    assert api.get(f"/data/{job.pk}/{name}").status_code == 404


@unhurried
def test_a_file_of_an_expired_job_is_gone_before_it_is_removed(api):
    job = run(kicked_off(api))
    Job.objects.update(expires_at=timezone.now())

    assert api.get(f"/data/{job.pk}/{job.files.first().name}").status_code == 410
    assert api.get(f"/api/v2/jobs/{job.pk}").status_code == 410


def test_the_metadata_says_where_tokens_are_and_what_can_be_exported(client):
    response = client.get("/api/v2/metadata")

    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    statement = response.json()
    assert (statement["resourceType"], statement["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    security = statement["rest"][0]["security"]
    assert security["extension"][0]["extension"][0]["valueUri"] == "http://testserver/auth/token"
    assert [resource["type"] for resource in statement["rest"][0]["resource"]] == ["Group", "Patient"]
    for resource in statement["rest"][0]["resource"]:
        assert ", ".join(ALL_TYPES) in resource["operation"][0]["documentation"]


def test_another_method_is_not_allowed(api):
    response = api.browser.post(GROUP, headers={"Authorization": f"Bearer {api.token}"})

    assert response.status_code == 405
    assert "POST" in outcome(response)


def test_a_status_request_costs_at_most_three_queries(api, django_assert_max_num_queries):
    job = kicked_off(api)

    with django_assert_max_num_queries(3):
        api.get(f"/api/v2/jobs/{job.pk}")


def test_every_answer_carries_a_request_id_and_is_not_kept(api):
    job = kicked_off(api)

    response = api.get(f"/api/v2/jobs/{job.pk}", **{"X-Request-Id": "abc-12345"})

    assert response["X-Request-Id"] == "abc-12345"
    assert response["Cache-Control"] == "no-store"


def test_a_token_is_never_taken_for_the_id_of_a_request(api):
    """The id is told, logged and kept in the audit trail."""
    given = api.token[:64]

    response = api.get("/auth/welcome", **{"X-Request-Id": given})

    assert response["X-Request-Id"] != given


@pytest.mark.parametrize("name", ["access_token", "token", "client_secret", "client_assertion"])
def test_a_kick_off_whose_url_holds_a_secret_is_refused_since_urls_are_kept(api, name):
    response = api.kick_off(f"{GROUP}?{name}={api.token}")

    assert response.status_code == 400
    assert f"{name} must not be in a URL" in outcome(response)
    assert api.token not in response.content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize("path", [PATIENT, GROUP])
def test_head_starts_no_export(world, api, path):
    world.roster(world.harbor, world.beneficiaries(1))

    response = api.browser.head(path, headers={"Authorization": f"Bearer {api.token}", **KICK_OFF_HEADERS})

    assert (response.status_code, response["Allow"]) == (405, "GET, OPTIONS")
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "path", ["/api/v2/metadata", "/api/v2/jobs/1", "/auth/welcome", "/auth/connection", "/_health"]
)
def test_head_of_what_is_only_looked_at_is_as_good_as_get(world, api, path):
    api.kick_off()
    path = path.replace("/1", f"/{Job.objects.get().pk}") if "jobs" in path else path
    headers = {"Authorization": f"Bearer {api.token}"}

    head, get = api.browser.head(path, headers=headers), api.browser.get(path, headers=headers)

    assert head.status_code == get.status_code < 300
    assert head.get("Content-Type") == get.get("Content-Type")
    assert head.get("X-Progress") == get.get("X-Progress")


@pytest.mark.parametrize("path", ["/api/v9/metadata", "/api/v2/nothing", "/data/1"])
def test_a_path_that_is_not_there_is_answered_as_fhir(client, path):
    response = client.get(path)

    assert response.status_code == 404
    assert outcome(response) == "There is nothing at this path."
