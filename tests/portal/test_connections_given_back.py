"""While a thread waits for somebody else, it holds no connection to the database: the others may need it."""

import gzip

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client as Browser
from django.test.client import FakePayload
from django.urls import reverse

from credentials.actor import Actor
from credentials.clients import jwks
from credentials.clients.key_registration import set_key_set_url
from credentials.models import AuditEvent, Organization
from credentials.trail import activity
from credentials.trail.activity import Filter
from exports import storage
from portal.sign_in import adapters
from tests.credentials.tokens.signing import Signer
from tests.exports.finished import finished_job
from tests.world import HOME_ADDRESS, World, sign_in

pytestmark = pytest.mark.django_db(transaction=True)


class Held:
    """Notes, each time it is asked, whether this thread holds a connection."""

    def __init__(self) -> None:
        self.noted: list[bool] = []

    def note(self, *_args: object, **_options: object) -> None:
        self.noted.append(connection.connection is not None)

    def around(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        """Have each call of a function noted before it is made."""
        original = getattr(owner, name)

        def call(*args: object, **options: object) -> object:
            self.note()
            return original(*args, **options)

        monkeypatch.setattr(owner, name, call)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def world(transactional_db) -> World:
    return World()


def test_while_a_clients_server_is_asked_for_its_keys(world, held, monkeypatch):
    Organization.objects.filter(pk=world.harbor.pk).update(is_sandbox=True)
    client = world.api_client().client
    set_key_set_url(client, "https://keys.example.org/jwks.json", by=Actor())

    def fetch(url: str, _policy: object) -> None:
        held.note()
        raise jwks.KeySetUnavailableError(url)

    monkeypatch.setattr(jwks, "fetch", fetch)
    Signer(client).ask_for_token()

    assert held.noted == [False]


def test_while_an_identity_provider_is_asked(world, held):
    Organization.objects.count()

    adapters.ProviderAdapter(None).get_requests_session()
    held.note()

    assert held.noted == [False]


def test_while_files_are_fetched_and_sent(world, held, monkeypatch):
    job = finished_job(world.roster(world.harbor, []), gzip.compress(b"{}\n"))
    api = world.api_client().sign_in()
    held.around(monkeypatch, storage, "opened")

    response = api.get(f"/data/{job.pk}/{job.files.get().name}", **{"Accept-Encoding": "gzip"})
    connection.close()  # this test's own
    body = b"".join(response.streaming_content)
    held.note()

    assert gzip.decompress(body) == b"{}\n"
    assert held.noted == [False, False]


def test_while_an_activity_is_taken_along(world, held, monkeypatch):
    for number in range(4):
        AuditEvent.objects.create(action="client.created", organization=world.harbor, request_id=f"request-{number}")
    monkeypatch.setattr(activity, "_AT_A_TIME", 2)

    for _ in activity.csv_lines(Filter().of(AuditEvent.objects.for_organization(world.harbor))):
        held.note()

    assert held.noted[1:] == [False] * 4


def test_while_a_body_comes_in(world, held):
    class Slow(FakePayload):
        def read(self, *args: int, **options: int) -> bytes:
            held.note()
            return bytes(super().read(*args, **options))

    browser = sign_in(Browser(REMOTE_ADDR=HOME_ADDRESS, enforce_csrf_checks=True), world.delegate)
    browser.cookies[settings.CSRF_COOKIE_NAME] = "c" * 32
    connection.close()

    content_type = "multipart/form-data; boundary=b"
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
    more = {"wsgi.input": Slow(body)}
    browser.generic("POST", reverse("portal:roster-upload", args=["A9994"]), body, content_type, **more)

    assert held.noted
    assert not any(held.noted)
