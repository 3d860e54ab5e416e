"""The pages on which a delegate ends a secret or a client, and decides about its exports."""

import re

import pytest

from credentials.actor import Actor
from credentials.clients import revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import AuditEvent, Client, ClientSecret, Organization
from credentials.trail.audit import Action
from exports import kickoff
from exports.models import Job

CREDENTIALS = "/organizations/A9994/credentials"


@pytest.fixture
def api(world):
    return world.api_client()


@pytest.fixture
def where(api) -> str:
    return f"{CREDENTIALS}/{api.client.client_id}"


@pytest.fixture(params=["client", "secret"])
def page(request, api, where) -> str:
    """The page on which the client is revoked, or its secret."""
    return f"{where}/revoke" if request.param == "client" else f"{where}/secrets/{api.client.secrets.get().pk}/revoke"


@pytest.fixture
def jobs(world, api) -> dict[str, Job]:
    """Exports by who has started them: the client, another client, a person."""
    roster = world.roster(world.harbor, world.beneficiaries(1))

    def job(**who) -> Job:
        return Job.objects.create(
            organization=world.harbor,
            version=2,
            scope=Job.Scope.PATIENT,
            resource_types=["Patient"],
            request_url="https://gate.example/",
            roster=roster,
            **who,
        )

    other = world.api_client(name="Other").client
    finished = job(client=api.client)
    Job.objects.filter(pk=finished.pk).update(status=Job.Status.COMPLETED)
    return {
        "pending": job(client=api.client),
        "finished": finished,
        "other client": job(client=other),
        "person": job(requested_by=world.delegate),
    }


def statuses(jobs: dict[str, Job]) -> dict[str, str]:
    return {who: Job.objects.get(pk=job.pk).status for who, job in jobs.items()}


UNTOUCHED = {"pending": "pending", "finished": "completed", "other client": "pending", "person": "pending"}


def test_revoking_a_secret_asks_first_and_says_when_it_was_last_used(delegate, api, where, read):
    api.sign_in()
    secret = ClientSecret.objects.get()

    asked = read(delegate.get(f"{where}/secrets/{secret.pk}/revoke"))

    assert f"Revoke the secret …{secret.hint}?" in asked.text
    assert "It was last used" in asked.text
    assert "This is the only secret. ETL can’t sign in until you create a new secret" in asked.text
    assert ClientSecret.objects.get().revoked_at is None


def test_a_secret_is_revoked_with_its_tokens(delegate, api, where, read):
    api.sign_in()
    secret = ClientSecret.objects.get()

    response = delegate.post(f"{where}/secrets/{secret.pk}/revoke", follow=True)

    assert f"The secret …{secret.hint} was revoked" in read(response).text
    assert api.ask_for_token().status_code == 401
    assert api.get("/api/v2/jobs/1").status_code == 401
    assert AuditEvent.objects.get(action=Action.SECRET_REVOKED).user.email == "delegate@harbor.example"


def test_the_old_secret_of_an_overlap_can_be_ended_before_its_time(delegate, world, api, where, read):
    new = rotation.rotate_secret(api.client, overlap=Overlap.THREE_DAYS, by=Actor(user=world.delegate))
    old = ClientSecret.objects.exclude(replaced_at=None).get()

    asked = read(delegate.get(f"{where}/secrets/{old.pk}/revoke"))
    delegate.post(f"{where}/secrets/{old.pk}/revoke")

    assert f"Revoke the old secret …{old.hint} now?" in asked.text
    assert "It has never been used: your system may not have it yet." in asked.text
    assert [api.ask_for_token(secret=each).status_code for each in (api.secret, new)] == [401, 200]


def test_a_secret_that_has_ended_cannot_be_ended_again(delegate, world, where):
    secret = ClientSecret.objects.get()
    revocation.revoke_secret(secret, by=Actor(user=world.delegate))

    for response in (
        delegate.get(f"{where}/secrets/{secret.pk}/revoke"),
        delegate.post(f"{where}/secrets/{secret.pk}/revoke"),
    ):
        assert response.status_code == 404
    assert AuditEvent.objects.filter(action=Action.SECRET_REVOKED).count() == 1


def test_the_secret_of_another_client_is_not_found_under_this_one(delegate, world, where):
    foreign = world.api_client(world.mesa, addresses=["9.9.9.9"]).client.secrets.get()
    other = world.api_client(name="Other").client.secrets.get()

    for secret in (foreign, other):
        assert delegate.post(f"{where}/secrets/{secret.pk}/revoke").status_code == 404
        assert ClientSecret.objects.get(pk=secret.pk).revoked_at is None


def test_exports_go_on_unless_asked_otherwise(delegate, page, jobs, read):

    asked = delegate.get(page)
    delegate.post(page)

    assert "1 is running now" in read(asked).text
    assert re.search(r'value="keep"[^>]*\bchecked', asked.content.decode())
    assert statuses(jobs) == UNTOUCHED


def test_its_unfinished_exports_and_no_others_are_cancelled_when_asked(delegate, page, jobs, read):
    response = delegate.post(page, {"exports": "cancel"}, follow=True)

    assert "1 export cancelled." in read(response).text
    assert statuses(jobs) == {**UNTOUCHED, "pending": "cancelled"}
    assert AuditEvent.objects.get(action=Action.EXPORT_CANCELLED).user.email == "delegate@harbor.example"


def test_if_an_export_cannot_be_cancelled_the_client_is_not_revoked_either(delegate, where, jobs, monkeypatch):
    def broken(*_arguments, **_options):
        raise RuntimeError("a worker has the row")

    monkeypatch.setattr(kickoff, "cancel", broken)
    delegate.raise_request_exception = False

    response = delegate.post(f"{where}/revoke", {"exports": "cancel"})

    assert response.status_code == 500
    assert Client.objects.get(name="ETL").revoked_at is None
    assert not AuditEvent.objects.filter(action=Action.CLIENT_REVOKED).exists()
    assert statuses(jobs) == UNTOUCHED


def test_without_running_exports_nothing_is_asked_about_them(delegate, where, read):
    page = read(delegate.get(f"{where}/revoke"))

    assert "ETL has no running exports." in page.text
    assert "What should happen to its running exports" not in page.text


def test_an_answer_that_was_not_offered_revokes_nothing(delegate, where):
    assert delegate.post(f"{where}/revoke", {"exports": "burn"}).status_code == 400
    assert Client.objects.get().revoked_at is None


def test_a_denied_organization_can_still_end_a_secret(delegate, world, where):
    Organization.objects.update(status=Organization.Status.DENIED)
    secret = ClientSecret.objects.get()

    delegate.post(f"{where}/secrets/{secret.pk}/revoke")

    assert ClientSecret.objects.get().revoked_at is not None
