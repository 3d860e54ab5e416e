"""Every URL of the API, the token endpoint and the administration API, as client, stranger and nobody: what comes back.

The answers stand in `recorded/`. A difference is either a fault or a change of the wire: `make record` writes the
files anew, and the change is then seen in the diff.
"""

import base64
import datetime as dt
import gzip
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.db import transaction
from django.test import Client as Browser
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients.key_registration import add_keys, set_key_set_url
from credentials.models import Membership
from credentials.operators import operator_tokens
from credentials.people.invitations import invite
from exports.models import Job, Shard
from tests.credentials.tokens.signing import ec_key, jwk, key_set
from tests.exports.finished import finished_job, lines
from tests.exports.store import fill
from tests.house.recording import compare, lines_of, masked, patterns, title_of
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, OTHER_ADDRESS, sign_in

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
# These parts of the URL table speak to programs.
FOR_PROGRAMS = ("/api/", "/data/", "/auth/", "/admin-api/", "/.well-known/", "/_")

KICK_OFFS = {
    "without Accept": ("", {"Prefer": "respond-async"}),
    "without Prefer": ("", {"Accept": "application/fhir+json"}),
    "Accept: application/json": ("", {**KICK_OFF_HEADERS, "Accept": "application/json"}),
    "Prefer: respond-sync": ("", {**KICK_OFF_HEADERS, "Prefer": "respond-sync"}),
    "one type": ("?_type=Patient", KICK_OFF_HEADERS),
    "the same type twice": ("?_type=Patient,Patient", KICK_OFF_HEADERS),
    "an unknown type": ("?_type=Practitioner", KICK_OFF_HEADERS),
    "a type that is not theirs": ("?_type=Claim", KICK_OFF_HEADERS),
    "_since": ("?_since=2020-02-13T08:00:00.000-05:00", KICK_OFF_HEADERS),
    "_since that is a date": ("?_since=2020-02-13", KICK_OFF_HEADERS),
    "_since to come": ("?_since=2999-01-01T00:00:00Z", KICK_OFF_HEADERS),
    "_outputFormat": ("?_outputFormat=ndjson", KICK_OFF_HEADERS),
    "an unknown _outputFormat": ("?_outputFormat=text/csv", KICK_OFF_HEADERS),
    "_elements": ("?_elements=id", KICK_OFF_HEADERS),
    "two question marks": ("??_type=Patient", KICK_OFF_HEADERS),
    "a token in the URL": ("?access_token=abc", KICK_OFF_HEADERS),
}
TOKEN_REQUESTS = {
    "no credentials": ({}, None),
    "an unknown client": ({}, ("00000000-0000-4000-8000-000000000000", "wrong")),
    "a wrong secret": ({}, (None, "wrong")),
    "an empty body": ({}, (None, None)),
    "client_credentials": ({"grant_type": "client_credentials"}, (None, None)),
    "another grant": ({"grant_type": "password"}, (None, None)),
    "a scope": ({"grant_type": "client_credentials", "scope": "system/Patient.rs"}, (None, None)),
    "an unknown scope": ({"grant_type": "client_credentials", "scope": "system/Practitioner.rs"}, (None, None)),
}
_OF_ORGANIZATION, _OF_CLIENT = "/admin-api/organizations/<str:entity_id>", "/admin-api/clients/<str:client_id>"
OPERATORS_CALLS: dict[str, dict[str, Any]] = {
    "POST /admin-api/organizations": {"entity_id": "A1234", "name": "New", "program": "SSP"},
    f"PUT {_OF_ORGANIZATION}/state": {"status": "denied"},
    f"POST {_OF_ORGANIZATION}/clients": {"name": "Other", "addresses": [HOME_ADDRESS]},
    f"POST {_OF_ORGANIZATION}/invitations": {"email": "newer@harbor.example", "role": "credential_delegate"},
    f"POST {_OF_ORGANIZATION}/revocation": {"reason": "Trial"},
    f"PUT {_OF_CLIENT}/addresses": {"addresses": [OTHER_ADDRESS]},
    f"POST {_OF_CLIENT}/secret": {"overlap_hours": 24},
}
# What the portal answers that is no page.
NO_PAGES = {"audit-csv", "audit-ndjson", "export-progress", "export-file", "session-time"}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.fixture(autouse=True)
def _exports_folder(settings, tmp_path):
    exports = {**settings.STORAGES["exports"]}
    exports["OPTIONS"] = {**exports["OPTIONS"], "location": str(tmp_path / "exports")}
    settings.STORAGES = {**settings.STORAGES, "exports": exports}


class Recorded:
    """Harbor with a job in every state, the callers, and what each call is answered. No call changes anything."""

    def __init__(self, world) -> None:
        self.harbor = world.api_client()
        self.callers = {
            "client": _bearer(self.harbor.sign_in().token, HOME_ADDRESS),
            "stranger": _bearer(world.api_client(world.mesa).sign_in().token, HOME_ADDRESS),
            "nobody": Browser(REMOTE_ADDR=HOME_ADDRESS, raise_request_exception=False),
            "operator": _bearer(
                operator_tokens.create_token(name="Inventory", by=Actor(user=world.operator)), OTHER_ADDRESS
            ),
        }
        world.roster(world.mesa, world.beneficiaries(1))
        roster = world.roster(world.harbor, world.beneficiaries(1), published_at=timezone.now() - dt.timedelta(days=1))
        fill(world)
        self.jobs = {
            "completed": finished_job(roster, gzip.compress(lines(2)), gzip.compress(lines(1))),
            **{name: finished_job(roster) for name in ("pending", "in progress", "failed", "cancelled", "expired")},
        }
        deletions = self.jobs["completed"].shards.last()
        Shard.objects.filter(pk=deletions.pk).update(kind=Shard.Kind.DELETED)
        for name, job in self.jobs.items():
            Job.objects.filter(pk=job.pk).update(status=Job.Status[name.upper().replace(" ", "_")])
        self.known = {
            "job_id": self.jobs["completed"].pk,
            "file_name": self.jobs["completed"].files.first().name,
            "group_id": "all",
            "entity_id": "A9994",
            "client_id": self.harbor.client.client_id,
        }

    def call(
        self, method: str, path: str, *, by: str, body: str = "", sent_as: str = JSON, **headers: str
    ) -> list[str]:
        """The lines of one answer."""
        browser = self.callers[by]
        # Nothing that a call does is there for the next one.
        with transaction.atomic():
            lines = list(lines_of(browser.generic(method, path, data=body, content_type=sent_as, headers=headers)))
            transaction.set_rollback(True)
        return lines


@pytest.fixture
def recorded(world) -> Recorded:
    return Recorded(world)


def test_every_url_for_programs_answers_as_before(recorded):
    def all_lines() -> Iterator[str]:
        for route, _ in patterns(get_resolver().url_patterns):
            if not route.startswith(FOR_PROGRAMS):
                continue
            path = _filled_in(route, recorded.known)
            headers = KICK_OFF_HEADERS if "$export" in route else {}
            for method in METHODS:
                facts = json.dumps(OPERATORS_CALLS.get(f"{method} {route}", {}))
                for caller in ("operator" if "/admin-api/" in route else "stranger", "client", "nobody"):
                    yield f"{method} {route} by {caller}"
                    yield from recorded.call(
                        method, path, by=caller, body=json.dumps(facts) if facts else "", **headers
                    )

    compare("every-url.txt", all_lines())


def test_kick_offs_are_answered_as_before(recorded):
    def all_lines() -> Iterator[str]:
        for path in ("/api/v2/Patient/$export", "/api/v2/Group/all/$export", "/api/v2/Group/none/$export"):
            for name, (query, headers) in KICK_OFFS.items():
                yield f"GET {path} with {name}"
                yield from recorded.call("GET", path + query.replace("+", quote("+")), by="client", **headers)

    compare("kick-offs.txt", all_lines())


def test_jobs_are_answered_as_before(recorded):
    def all_lines() -> Iterator[str]:
        for state, job in recorded.jobs.items():
            for method in ("GET", "DELETE"):
                for caller in ("client", "stranger"):
                    yield f"{method} a job that is {state} by {caller}"
                    yield from recorded.call(method, f"/api/v2/jobs/{job.pk}", by=caller)
        for job_id in ("999999999", "abc", "0x1", "99999999999999999999999999"):
            yield f"GET job {job_id}"
            yield from recorded.call("GET", f"/api/v2/jobs/{job_id}", by="client")

    compare("jobs.txt", all_lines())


def test_downloads_are_answered_as_before(recorded):
    path = _filled_in("/data/<str:job_id>/<str:file_name>", recorded.known)

    def all_lines() -> Iterator[str]:
        for name, headers in {
            "as it is": {},
            "gzip": {"Accept-Encoding": "gzip"},
            "identity": {"Accept-Encoding": "identity"},
            "a range": {"Accept-Encoding": "gzip", "Range": "bytes=5-9"},
            "a range beyond": {"Accept-Encoding": "gzip", "Range": "bytes=99999999-"},
        }.items():
            yield f"GET a file, {name}"
            yield from recorded.call("GET", path, by="client", **headers)

    compare("downloads.txt", all_lines())


def test_tokens_are_answered_as_before(recorded):
    def all_lines() -> Iterator[str]:
        for name, (form, account) in TOKEN_REQUESTS.items():
            headers = {}
            if account:
                client_id, secret = account
                pair = f"{client_id or recorded.harbor.client.client_id}:{secret or recorded.harbor.secret}"
                headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            yield f"POST /auth/token with {name}"
            yield from recorded.call("POST", "/auth/token", by="nobody", body=urlencode(form), sent_as=FORM, **headers)

    compare("tokens.txt", all_lines())


def test_every_page_has_the_title_that_it_had(recorded, world):
    key = add_keys(
        recorded.harbor.client, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=Actor(user=world.delegate)
    )[0]
    set_key_set_url(recorded.harbor.client, "https://keys.harbor.example/jwks.json", by=Actor(user=world.delegate))
    invited = invite(
        world.harbor, email="new@harbor.example", role="credential_delegate", by=Actor(user=world.delegate)
    )
    known = {
        **recorded.known,
        "job_id": recorded.jobs["pending"].pk,
        "secret_id": recorded.harbor.client.secrets.get().pk,
        "key_id": key.pk,
        "roster_id": recorded.jobs["pending"].roster_id,
        "invitation_id": invited.pk,
        "member_id": Membership.objects.get(user=world.colleague).pk,
        "session_id": 1,
        "provider_id": "login-gov",
        "pk": 1,
    }
    browsers = {"delegate": sign_in(Browser(), world.delegate), "nobody": Browser()}

    def all_lines() -> Iterator[str]:
        for route, pattern in patterns(_pages_of_the_portal()):
            if pattern.name in NO_PAGES:
                continue
            for who, browser in browsers.items():
                with transaction.atomic():
                    response = browser.get(_filled_in(route, known))
                    transaction.set_rollback(True)
                what = masked(response.headers.get("Location", "")) or title_of(response.content)
                yield f"{route} for {who}: {response.status_code} {what}"

    compare("pages.txt", all_lines())


def _pages_of_the_portal() -> list[URLResolver]:
    tables = [each for each in get_resolver().url_patterns if isinstance(each, URLResolver)]
    return [each for each in tables if str(getattr(each.urlconf_name, "__name__", "")).startswith("portal.")]


def _filled_in(route: str, known: Mapping[str, object]) -> str:
    """The path of a route, whose parts stand for what is known by their names."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda part: str(known[part[1]]), route)


def _bearer(token: str, address: str) -> Browser:
    return Browser(REMOTE_ADDR=address, headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)
