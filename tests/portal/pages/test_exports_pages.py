import datetime as dt
import gzip
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials.models import AuditEvent, Organization
from credentials.trail import audit
from exports import tasks
from exports.claims.undo import take_back
from exports.models import Job, Load, Shard
from tests.exports import store

EXPORTS = "/organizations/A9994/exports"
EVERYTHING = {"scope": "group_all", "resource_types": ["Patient", "Coverage", "ExplanationOfBenefit"]}


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch):
    """Nobody is told of a job: the tests take its steps themselves."""
    monkeypatch.setattr(tasks, "_send", lambda *_arguments: None)


@pytest.fixture
def mbis(world):
    """The people on Harbor's roster; a claim is known of each."""
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    store.load({mbi: [store.patient(mbi)] for mbi in mbis})
    return mbis


@pytest.fixture
def started(delegate, mbis) -> Job:
    delegate.post(f"{EXPORTS}/new", EVERYTHING)
    return Job.objects.get()


@pytest.fixture
def finished(started) -> Job:
    return store.run(started)


def test_an_export_is_started_as_it_was_asked_for(delegate, world, mbis):
    response = delegate.post(
        f"{EXPORTS}/new",
        {"scope": "patient", "resource_types": ["ExplanationOfBenefit", "Patient"], "since": "2026-11-01T14:05:09"},
    )

    job = Job.objects.get()
    assert response["Location"] == f"{EXPORTS}/{job.pk}"
    assert (job.organization, job.requested_by, job.client) == (world.harbor, world.delegate, None)
    assert (job.version, job.scope, job.status) == (2, Job.Scope.PATIENT, Job.Status.PENDING)
    assert job.resource_types == ["Patient", "ExplanationOfBenefit"]
    assert job.since == dt.datetime(2026, 11, 1, 14, 5, 9, tzinfo=dt.UTC)
    assert job.request_url == (
        "http://testserver/api/v2/Patient/$export?_type=Patient,ExplanationOfBenefit&_since=2026-11-01T14:05:09%2B00:00"
    )
    event = AuditEvent.objects.get(action=audit.Action.EXPORT_STARTED)
    assert (event.user, event.address) == (world.delegate, "8.8.4.4")


def test_the_recorded_request_asks_the_api_for_the_same(delegate, world, mbis):
    delegate.post(f"{EXPORTS}/new", {**EVERYTHING, "since": "2026-11-01T00:00"})
    by_person = Job.objects.get()

    world.api_client().sign_in().kick_off(by_person.request_url)

    by_client = Job.objects.exclude(pk=by_person.pk).get()
    for field in ("scope", "resource_types", "since", "version", "roster_id", "organization_id"):
        assert getattr(by_client, field) == getattr(by_person, field)


def test_each_problem_stands_at_its_field(delegate, mbis, read):
    response = delegate.post(f"{EXPORTS}/new", {"scope": "everyone", "since": "2999-01-01T00:00"})

    page = read(response)
    assert response.status_code == 400
    assert "This time is in the future." in page.errors_of("id_since")
    assert "Choose at least one type of data." in page.text_of["id_resource_types_error"]
    assert "id_scope_error" in page.by_id
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("since", "problem"),
    [
        ("0001-01-01T00:00:00+05:30", "This time is before 1900."),
        ("0001-01-01T00:00", "This time is before 1900."),
        ("1899-12-31T23:59:59", "This time is before 1900."),
        ("9999-12-31T23:59:59-14:00", "This time is in the future."),
    ],
)
def test_a_time_that_nothing_can_have_changed_since_is_refused(delegate, mbis, read, since, problem):
    response = delegate.post(f"{EXPORTS}/new", {**EVERYTHING, "since": since})

    assert response.status_code == 400
    assert problem in read(response).errors_of("id_since")
    assert not Job.objects.exists()


def test_a_time_with_a_zone_is_kept_in_utc(delegate, mbis):
    delegate.post(f"{EXPORTS}/new", {**EVERYTHING, "since": "2026-11-01T00:00:00+05:30"})

    job = Job.objects.get()
    assert job.since == dt.datetime(2026, 10, 31, 18, 30, tzinfo=dt.UTC)
    assert "_since=2026-10-31T18:30:00%2B00:00" in job.request_url


def test_without_a_roster_there_is_nothing_to_start(delegate, read):
    page = read(delegate.get(f"{EXPORTS}/new"))
    response = delegate.post(f"{EXPORTS}/new", EVERYTHING)

    assert "Load a roster first" in page.text
    assert response.status_code == 400
    assert not Job.objects.exists()


def test_while_no_claims_are_loaded_the_form_says_so(delegate, world, read):
    world.roster(world.harbor, world.beneficiaries(1))

    response = delegate.post(f"{EXPORTS}/new", EVERYTHING)

    assert response.status_code == 400
    assert "No claims are loaded, so there is nothing to export. Ask the Claimsgate operators" in read(response).text
    assert not Job.objects.exists()


def test_the_time_of_the_last_export_is_offered(delegate, finished, read):
    page = delegate.get(f"{EXPORTS}/new").content.decode()

    assert f'data-value="{finished.transaction_time:%Y-%m-%dT%H:%M:%S}"' in page


def test_a_member_without_a_role_for_credentials_may_export(colleague, world, mbis):
    response = colleague.post(f"{EXPORTS}/new", EVERYTHING)

    assert response.status_code == 302
    assert Job.objects.get().requested_by == world.colleague


def test_a_stranger_starts_nothing(stranger, mbis):
    assert stranger.post(f"{EXPORTS}/new", EVERYTHING).status_code == 404
    assert not Job.objects.exists()


@pytest.mark.parametrize("part", ["", "/progress"])
def test_while_it_waits_the_page_asks_for_news_every_second(delegate, started, read, part):
    response = delegate.get(f"{EXPORTS}/{started.pk}{part}")

    page = response.content.decode()
    assert page.count(f'hx-get="{EXPORTS}/{started.pk}/progress" hx-trigger="every 1s" hx-swap="outerHTML"') == 1
    assert "<noscript>" in page
    assert "Queued" in read(response).text


def test_the_news_say_how_far_it_is(delegate, started, read):
    Job.objects.update(status=Job.Status.IN_PROGRESS)
    Shard.objects.create(
        job=started,
        number=0,
        resource_type="Patient",
        population="everyone",
        first_beneficiary_id=1,
        last_beneficiary_id=2,
        resource_count=2,
        raw_length=1000,
        file_name="a.ndjson",
        bytes_written=420,
    )

    response = delegate.get(f"{EXPORTS}/{started.pk}/progress")

    assert response.status_code == 200
    assert '<progress class="progress__bar" max="100" value="42"' in response.content.decode()
    assert "42% done" in read(response).text
    assert "<html" not in response.content.decode()


def test_when_it_is_finished_the_news_stop(delegate, finished, read):
    fragment, page = delegate.get(f"{EXPORTS}/{finished.pk}/progress"), delegate.get(f"{EXPORTS}/{finished.pk}")

    for response in (fragment, page):
        assert response.status_code == 200
        assert "hx-get" not in response.content.decode()
        assert "Ready" in read(response).text
        assert finished.files.get().name in response.content.decode()


@pytest.mark.parametrize("accepts", ["gzip", "identity"])
def test_a_file_is_downloaded_by_the_browser(delegate, world, mbis, finished, accepts):
    file = finished.files.get()

    response = delegate.get(f"{EXPORTS}/{finished.pk}/files/{file.name}", headers={"Accept-Encoding": accepts})

    body = b"".join(response.streaming_content)
    lines = (gzip.decompress(body) if accepts == "gzip" else body).splitlines()
    assert {json.loads(line)["id"] for line in lines} == {f"p-{mbi}" for mbi in mbis}
    assert response["Content-Disposition"] == f'attachment; filename="A9994-export-{finished.pk}-1-Patient.ndjson"'
    event = AuditEvent.objects.get(action=audit.Action.EXPORT_DOWNLOADED)
    assert (event.user, event.detail["file"]) == (world.delegate, file.name)


def test_what_is_gone_stands_in_a_file_of_its_own(delegate, world, mbis, read):
    first = Load.objects.earliest("id")
    take_back(store.load({mbi: [store.arrival("ExplanationOfBenefit", f"e-{mbi}")] for mbi in mbis}))
    job = store.run(store.start(world.harbor, since=first.loaded_at))
    [file] = job.files.all()

    page = read(delegate.get(f"{EXPORTS}/{job.pk}"))
    saved = delegate.get(f"{EXPORTS}/{job.pk}/files/{file.name}")

    assert "Deleted ExplanationOfBenefit" in page.text
    assert "for 2 beneficiaries" in page.text
    assert "0 resources" in page.text
    assert f"A9994-export-{job.pk}-1-deleted-ExplanationOfBenefit.ndjson" in saved["Content-Disposition"]


def test_a_stranger_downloads_nothing(browse, world, finished):
    name = finished.files.get().name

    for organization in ("A9994", "D9990"):
        where = f"/organizations/{organization}/exports/{finished.pk}/files/{name}"
        assert browse(world.stranger).get(where).status_code == 404
    assert not AuditEvent.objects.filter(action=audit.Action.EXPORT_DOWNLOADED).exists()


def test_a_denied_organization_downloads_nothing(delegate, world, finished):
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    response = delegate.get(f"{EXPORTS}/{finished.pk}/files/{finished.files.get().name}")

    assert response.status_code == 403
    assert not AuditEvent.objects.filter(action=audit.Action.EXPORT_DOWNLOADED).exists()


def test_a_file_has_the_name_of_its_own_export_only(delegate, finished):
    other = Job.objects.create(
        organization=finished.organization,
        version=2,
        scope=Job.Scope.PATIENT,
        resource_types=["Patient"],
        request_url="https://gate.example/",
        roster=finished.roster,
        status=Job.Status.COMPLETED,
        expires_at=timezone.now() + dt.timedelta(hours=1),
    )

    assert delegate.get(f"{EXPORTS}/{other.pk}/files/{finished.files.get().name}").status_code == 404


def test_after_their_time_the_files_are_gone_and_the_page_says_so(delegate, finished, read):
    where = f"{EXPORTS}/{finished.pk}/files/{finished.files.get().name}"
    Job.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))

    response, page = delegate.get(where), delegate.get(f"{EXPORTS}/{finished.pk}")

    assert response.status_code == 410
    assert "This file has expired" in read(response).text
    assert "Expired" in read(page).text
    assert "Download" not in read(page).text
    assert not AuditEvent.objects.filter(action=audit.Action.EXPORT_DOWNLOADED).exists()


def test_an_export_is_cancelled_after_a_question(delegate, world, started, read):
    where = f"{EXPORTS}/{started.pk}/cancel"

    asked = read(delegate.get(where))
    before = Job.objects.get().status
    response = delegate.post(where, follow=True)

    assert f"Cancel export {started.pk}?" in asked.text
    assert before == Job.Status.PENDING
    assert Job.objects.get().status == Job.Status.CANCELLED
    assert f"Export {started.pk} was cancelled." in read(response).text
    assert AuditEvent.objects.get(action=audit.Action.EXPORT_CANCELLED).user == world.delegate


def test_a_finished_export_is_not_cancelled(delegate, finished, read):
    response = delegate.post(f"{EXPORTS}/{finished.pk}/cancel", follow=True)

    assert Job.objects.get().status == Job.Status.COMPLETED
    assert "had already finished. Nothing was cancelled" in read(response).text


def test_a_failure_is_told_in_words(delegate, started, read):
    Job.objects.update(status=Job.Status.FAILED, failure="The disk for exports is full.")

    page = read(delegate.get(f"{EXPORTS}/{started.pk}"))

    assert "Failed The disk for exports is full." in page.text
    assert f"give the Claimsgate operators this export number: {started.pk}" in page.text


def test_an_export_in_which_nothing_changed_says_so(delegate, mbis, read):
    delegate.post(f"{EXPORTS}/new", {**EVERYTHING, "scope": "patient", "since": f"{timezone.now():%Y-%m-%dT%H:%M:%S}"})
    job = Job.objects.get()
    Job.objects.update(since=timezone.now() + dt.timedelta(minutes=1))
    store.run(Job.objects.get())

    page = read(delegate.get(f"{EXPORTS}/{job.pk}"))

    assert "There are no files: nothing has changed since" in page.text


def test_the_list_tells_exports_of_clients_and_of_people_apart(delegate, world, finished, read):
    world.api_client(name="Nightly").sign_in().kick_off()

    page = read(delegate.get(EXPORTS))

    for words in ("by Nightly", f"by {world.delegate}", "Queued", "Ready", "1 file", "Group/all"):
        assert words in page.text


def test_the_list_asks_the_database_as_often_for_many_exports_as_for_one(delegate, started):
    with CaptureQueriesContext(connection) as for_one:
        delegate.get(EXPORTS)
    for _ in range(5):
        delegate.post(f"{EXPORTS}/new", EVERYTHING)

    with CaptureQueriesContext(connection) as for_six:
        delegate.get(EXPORTS)

    assert len(for_six) == len(for_one)


def test_no_exports_yet_is_said_in_words(delegate, read):
    assert "No exports yet" in read(delegate.get(EXPORTS)).text
