"""The wire: what clients see, byte for byte where BCDA's clients depend on it."""

import gzip
import json
from email.utils import parsedate_to_datetime

import pytest
from django.utils import timezone

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports.models import Job
from tests.exports.api.calls import ALL_TYPES, GROUP, PATIENT, committed, kicked_off, outcome
from tests.exports.store import run
from tests.world import KICK_OFF_HEADERS


@committed
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


@committed
@pytest.mark.parametrize("accept_encoding", ["gzip", "deflate, gzip;q=0.5", "*", "br;q=1.0, gzip;q=0.8, *;q=0.1"])
def test_a_client_that_takes_gzip_gets_the_stored_bytes(api, accept_encoding):
    job = run(kicked_off(api))
    file = job.files.get(resource_type="Patient")

    response = api.get(f"/data/{job.pk}/{file.name}", **{"Accept-Encoding": accept_encoding})

    body = response.getvalue()
    assert (response["Content-Type"], response["Content-Encoding"]) == ("application/fhir+ndjson", "gzip")
    assert int(response["Content-Length"]) == len(body) == file.stored_length
    assert [json.loads(line)["resourceType"] for line in gzip.decompress(body).splitlines()] == ["Patient"] * 2


@committed
@pytest.mark.parametrize("accept_encoding", ["", "identity", "gzip;q=0", "br", "gzip;q=0, *", "gzip;q=nonsense"])
def test_another_client_gets_plain_ndjson(api, accept_encoding):
    job = run(kicked_off(api))
    file = job.files.get(resource_type="Patient")

    response = api.get(f"/data/{job.pk}/{file.name}", **{"Accept-Encoding": accept_encoding})

    body = response.getvalue()
    assert "Content-Encoding" not in response
    assert int(response["Content-Length"]) == len(body) == file.raw_length
    assert len(body.splitlines()) == 2


@committed
def test_a_download_is_written_down(api, world):
    job = run(kicked_off(api))

    api.get(f"/data/{job.pk}/{job.files.first().name}").getvalue()

    event = AuditEvent.objects.for_organization(world.harbor).get(action=Action.EXPORT_DOWNLOADED)
    assert (event.client, event.detail["job"]) == (api.client, job.pk)


@committed
def test_to_a_stranger_a_job_and_its_files_do_not_exist(api, world):
    job = run(kicked_off(api))
    paths = [f"/api/v2/jobs/{job.pk}", f"/data/{job.pk}/{job.files.first().name}"]
    stranger = world.api_client(world.mesa, name="Theirs").sign_in()

    responses = [stranger.get(path) for path in paths]
    cancelled = stranger.delete(paths[0])

    assert [response.status_code for response in (*responses, cancelled)] == [404, 404, 404]
    assert {outcome(response) for response in (*responses, cancelled)} == {outcome(stranger.get("/api/v2/jobs/999999"))}
    assert not AuditEvent.objects.filter(action__in=[Action.EXPORT_DOWNLOADED, Action.EXPORT_CANCELLED]).exists()


@committed
def test_a_file_of_one_job_is_not_found_under_another(api):
    first, second = run(kicked_off(api)), run(kicked_off(api))

    assert api.get(f"/data/{second.pk}/{first.files.first().name}").status_code == 404


@committed
@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "..", ".hidden", "%00", "a.ndjson"])
def test_a_name_that_is_no_file_of_the_job_is_not_found(api, name):
    job = run(kicked_off(api))

    assert api.get(f"/data/{job.pk}/{name}").status_code == 404


@committed
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
