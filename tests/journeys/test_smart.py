"""SMART Backend Services as its clients go about it: discovery, a signed assertion, a narrow scope, claims on disk."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from credentials.actor import Actor
from credentials.clients.key_registration import set_key_set_url
from credentials.models import AccessToken
from tests.credentials.clients.key_server import KeyServer
from tests.credentials.tokens.signing import Signer
from tests.exports.store import arrival, load, patient
from tests.journeys.conftest import Running
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, World

pytestmark = pytest.mark.journey

CALLERS = 12
PATIENCE_SECONDS = 60


def test_from_discovery_to_claims_with_a_key_that_the_client_publishes(key_server: KeyServer, running_with) -> None:
    running: Running = running_with({"SSL_CERT_FILE": os.environ["SSL_CERT_FILE"]})
    world = World()
    world.harbor.is_sandbox = True
    world.harbor.save()
    mbis = world.beneficiaries(3)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi), arrival("Coverage", f"c-{mbi}")] for mbi in mbis})
    client = world.api_client().client
    set_key_set_url(client, key_server.url(), by=Actor(user=world.delegate))
    signer = Signer(client)
    http = httpx.Client(base_url=running.base_url, headers={"X-Forwarded-For": HOME_ADDRESS}, timeout=30)

    said = http.get("/api/v2/.well-known/smart-configuration").json()
    assertion = signer.assertion(aud=said["token_endpoint"])
    form = signer.form(assertion, scope="system/Patient.rs launch")
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(lambda _: http.post(said["token_endpoint"], data=form), range(CALLERS)))

    # One assertion, one token, and one call to the client's server, however many come at once.
    assert sorted(answer.status_code for answer in answers) == [200, *[401] * (CALLERS - 1)]
    assert key_server.requests == ["/jwks.json"]
    (answer,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("bearer", 300, "system/Patient.rs")
    assert AccessToken.objects.count() == 1

    http.headers["Authorization"] = f"Bearer {answer['access_token']}"
    assert http.get("/api/v2/Group/all/$export?_type=Coverage", headers=KICK_OFF_HEADERS).status_code == 403
    started = http.get("/api/v2/Group/all/$export", headers=KICK_OFF_HEADERS)
    manifest = wait(http, started.headers["Content-Location"])
    files = [http.get(entry["url"]).text for entry in manifest["output"]]
    resources = [json.loads(line) for file in files for line in file.splitlines()]
    assert sorted(resource["id"] for resource in resources) == [f"p-{mbi}" for mbi in sorted(mbis)]

    set_key_set_url(client, "", by=Actor(user=world.delegate))
    assert http.get(manifest["output"][0]["url"]).status_code == 401
    http.headers.pop("Authorization")
    refused = http.post(said["token_endpoint"], data=signer.form(signer.assertion(aud=said["token_endpoint"])))
    assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})

    log = running.server.log.read_text()
    assert "/auth/token" in log
    assert not [part for part in assertion.split(".") if part in log]


def wait(http: httpx.Client, job_url: str) -> dict:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        status = http.get(job_url)
        if status.status_code == 200:
            return status.json()
        assert status.status_code == 202, status.text
        time.sleep(0.1)
    raise AssertionError(f"The export was not finished after {PATIENCE_SECONDS} s.")
