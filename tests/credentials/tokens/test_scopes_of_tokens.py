"""What a token with a narrow scope opens of the API: exports, their status, their files."""

import pytest

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports.claims.undo import take_back
from exports.models import Job, Load, OutputFile, Shard
from tests.credentials.tokens.signing import Signer
from tests.exports.store import arrival, load, patient, run, start
from tests.world import KICK_OFF_HEADERS, World

KICK_OFF = "/api/v2/Group/all/$export"

pytestmark = pytest.mark.django_db(transaction=True)


class Scoped:
    """A client of Harbor's, with tokens of any scope."""

    def __init__(self) -> None:
        self.world = World()
        mbis = self.world.beneficiaries(2)
        self.world.roster(self.world.harbor, mbis)
        load({mbi: [patient(mbi), arrival("Coverage", f"c-{mbi}")] for mbi in mbis})
        self.signer = Signer(self.world.api_client().client).register()

    def token(self, scope: str) -> str:
        return self.signer.ask_for_token(scope=scope).json()["access_token"]

    def kick_off(self, scope: str, query: str = ""):
        return self.signer.get(KICK_OFF + query, self.token(scope), **KICK_OFF_HEADERS)

    def finished(self, *resource_types: str) -> Job:
        answer = self.kick_off("system/*.rs", "?_type=" + ",".join(resource_types))
        return run(Job.objects.get(pk=answer["Content-Location"].rpartition("/")[2]))


@pytest.fixture
def scoped() -> Scoped:
    return Scoped()


def assert_insufficient(answer, needed: str) -> None:
    assert answer.status_code == 403
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert needed in answer.json()["issue"][0]["diagnostics"]
    assert 'error="insufficient_scope"' in answer["WWW-Authenticate"]
    assert f'scope="{needed}"' in answer["WWW-Authenticate"]
    event = AuditEvent.objects.get(action=Action.REQUEST_REFUSED)
    assert (event.detail["reason"], event.organization.entity_id) == ("insufficient_scope", "A9994")


@pytest.mark.parametrize("scope", ["system/*.read", "system/*.rs", "system/Patient.read system/Coverage.rs"])
def test_types_that_the_scope_covers_may_be_asked_for(scoped, scope):
    answer = scoped.kick_off(scope, "?_type=Patient,Coverage")

    assert answer.status_code == 202
    assert Job.objects.get().resource_types == ["Patient", "Coverage"]


def test_a_type_outside_of_the_scope_may_not_be_asked_for(scoped):
    answer = scoped.kick_off("system/Patient.rs", "?_type=Patient,Coverage")

    assert_insufficient(answer, "system/Coverage.rs")
    assert not Job.objects.exists()


def test_without_types_an_export_holds_those_of_the_scope(scoped):
    answer = scoped.kick_off("system/Patient.read system/ExplanationOfBenefit.rs")

    assert answer.status_code == 202
    assert Job.objects.get().resource_types == ["Patient", "ExplanationOfBenefit"]


@pytest.mark.parametrize("scope", ["system/Observation.rs", "system/Patient.r"])
def test_a_scope_that_covers_nothing_here_starts_nothing(scoped, scope):
    answer = scoped.kick_off(scope)

    assert_insufficient(answer, "system/Patient.rs system/Coverage.rs system/ExplanationOfBenefit.rs")
    assert not Job.objects.exists()


def test_a_token_of_a_secret_without_a_scope_opens_everything(scoped):
    api = scoped.world.api_client(name="With a secret").sign_in()

    assert api.kick_off().status_code == 202
    assert api.get(f"/api/v2/jobs/{Job.objects.get().pk}").status_code == 202


def test_a_secret_may_ask_for_a_narrow_token_too(scoped):
    api = scoped.world.api_client(name="With a secret")
    form = {
        "grant_type": "client_credentials", "client_id": api.client.client_id, "client_secret": api.secret,
        "scope": "system/Coverage.read",
    }  # fmt: skip
    api.token = api.browser.post("/auth/token", form).json()["access_token"]

    answer = api.kick_off(f"{KICK_OFF}?_type=Patient")

    assert_insufficient(answer, "system/Patient.rs")
    assert not Job.objects.exists()


@pytest.mark.parametrize("method", ["get", "delete"])
def test_a_job_with_types_outside_of_the_scope_is_neither_told_about_nor_called_off(scoped, method):
    scoped.kick_off("system/*.rs", "?_type=Patient,Coverage")
    job = Job.objects.get()
    headers = {"Authorization": f"Bearer {scoped.token('system/Patient.rs')}"}

    answer = getattr(scoped.signer.browser, method)(f"/api/v2/jobs/{job.pk}", headers=headers)

    assert_insufficient(answer, "system/Coverage.rs")
    job.refresh_from_db()
    assert job.status == Job.Status.PENDING


def test_a_job_whose_types_the_scope_covers_is_told_about(scoped):
    job = scoped.finished("Patient")

    answer = scoped.signer.get(f"/api/v2/jobs/{job.pk}", scoped.token("system/Patient.read"))

    assert answer.status_code == 200
    assert [entry["type"] for entry in answer.json()["output"]] == ["Patient"]


def test_a_file_is_given_to_those_whose_scope_covers_its_type(scoped):
    job = scoped.finished("Patient", "Coverage")
    paths = {file.resource_type: f"/data/{job.pk}/{file.name}" for file in job.files.all()}
    token = scoped.token("system/Patient.rs")

    covered = scoped.signer.get(paths["Patient"], token)
    refused = scoped.signer.get(paths["Coverage"], token)

    assert covered.status_code == 200
    assert b"p-1S00" in b"".join(covered.streaming_content)
    assert_insufficient(refused, "system/Coverage.rs")
    assert AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).count() == 1


def test_what_is_gone_is_told_to_those_whose_scope_covers_its_type(scoped):
    first = Load.objects.earliest("id")
    [mbi] = scoped.world.beneficiaries(1)
    scoped.world.roster(scoped.world.harbor, [mbi])
    take_back(load({mbi: [patient(mbi), arrival("Coverage", "c-gone")]}))
    job = run(start(scoped.world.harbor, since=first.loaded_at, resource_types=("Patient", "Coverage")))
    paths = {file.resource_type: f"/data/{job.pk}/{file.name}" for file in job.files.all()}
    token = scoped.token("system/Coverage.rs")

    covered = scoped.signer.get(paths["Coverage"], token)
    refused = scoped.signer.get(paths["Patient"], token)

    assert covered.status_code == 200
    assert b'"Coverage/c-gone"' in b"".join(covered.streaming_content)
    assert_insufficient(refused, "system/Patient.rs")


def test_errors_are_told_to_those_whose_scope_covers_all_types_of_the_export(scoped):
    job = scoped.finished("Patient", "Coverage")
    file = job.files.last()
    Shard.objects.filter(pk=file.shard_id).update(kind=Shard.Kind.ERROR)
    OutputFile.objects.filter(pk=file.pk).update(resource_type="OperationOutcome")
    path = f"/data/{job.pk}/{file.name}"

    refused = scoped.signer.get(path, scoped.token("system/Patient.rs"))
    covered = scoped.signer.get(path, scoped.token("system/Patient.rs system/Coverage.rs"))

    assert_insufficient(refused, "system/Coverage.rs")
    assert covered.status_code == 200


def test_a_scope_that_is_too_narrow_does_not_tell_a_strangers_job_from_none(scoped):
    job = scoped.finished("Coverage")
    theirs = Signer(scoped.world.api_client(scoped.world.mesa, name="Theirs").client).register()
    token = theirs.ask_for_token(scope="system/Patient.rs").json()["access_token"]

    answers = [theirs.get(f"/api/v2/jobs/{number}", token) for number in (job.pk, job.pk + 1)]

    assert [answer.status_code for answer in answers] == [404, 404]
