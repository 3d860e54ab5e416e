"""Attacks from outside, on real servers: the sessions and the forms of people."""

from urllib.parse import urlsplit

import httpx
import pytest

from credentials.models import AuditEvent, Client
from tests.credentials.tokens.signing import public_pem, rsa_key
from tests.journeys.attacks.site import Site
from tests.journeys.person import Person
from tests.world import HOME_ADDRESS, OTHER_ADDRESS

pytestmark = pytest.mark.journey


def test_a_session_that_was_planted_is_worth_nothing(site):
    victim, colleague = Person(site.running.base_url), site.world.colleague
    made_up = "abcdefghijklmnopqrstuvwxyz012345"
    victim.http.cookies.set("claimsgate_session", made_up, domain="localhost.local")
    victim.get("/sign-in")
    planted = [made_up]
    # A link to set a password begins a session before anybody has signed in.
    victim.get("/sign-in/new-password?link=1-x")
    planted.append(str(victim.session))

    entered = victim.enter(colleague.email)

    assert (entered.status_code, entered.headers["Location"]) == (302, "/organizations")
    assert victim.get("/organizations/A9994").status_code == 200
    assert victim.session not in planted
    for session in planted:
        attacker = Person(site.running.base_url)
        attacker.http.cookies.set("claimsgate_session", session, domain="localhost.local")
        assert attacker.get("/organizations/A9994").status_code == 302


def test_no_other_site_sends_a_form_in_the_name_of_a_person(site):
    delegate = Person(site.running.base_url).signed_in_as(site.world.delegate)
    client, secret = site.api.client, site.api.client.secrets.get()
    base = f"/organizations/A9994/credentials/{client.client_id}"
    forms = {
        "/organizations/A9994/credentials/new": {"name": "Theirs", "address_1": OTHER_ADDRESS},
        f"{base}/addresses": {"address_1": OTHER_ADDRESS},
        f"{base}/rotate": {"overlap": "0"},
        f"{base}/revoke": {},
        f"{base}/secrets/{secret.pk}/revoke": {},
        f"{base}/keys/new": {"name": "Theirs", "pasted": public_pem(rsa_key())},
        f"{base}/keys/url": {"url": "https://attacker.example/jwks.json"},
        "/organizations/A9994/exports/new": {"types": "Patient"},
        "/account/sessions/end-others": {},
        "/account/second-step/codes/new": {},
        "/sign-out": {},
    }
    token = delegate.form_token("/organizations/A9994/credentials/new")
    foreign = Person(site.running.base_url).form_token("/sign-in")
    events = AuditEvent.objects.count()

    for path, fields in forms.items():
        for attempt in ({}, {"csrfmiddlewaretoken": ""}, {"csrfmiddlewaretoken": foreign}):
            assert delegate.http.post(path, data={**fields, **attempt}).status_code == 403, path
        from_elsewhere = {"Origin": "https://attacker.example"}
        sent = delegate.http.post(path, data={**fields, "csrfmiddlewaretoken": token}, headers=from_elsewhere)
        assert sent.status_code == 403, path
        # A link or an image is enough for GET, so that must change nothing.
        delegate.http.get(path, params=fields)

    assert AuditEvent.objects.count() == events
    assert Client.objects.get() == client
    assert [str(address) for address in client.addresses.all()] == [HOME_ADDRESS]
    assert client.secrets.live().get() == secret
    assert delegate.get("/organizations/A9994/credentials").status_code == 200


def test_signing_in_leads_to_no_other_site(site):
    targets = (
        *("//attacker.example", "///attacker.example", "https://attacker.example", "https:attacker.example"),
        *("/\\attacker.example", "\\\\attacker.example", "javascript:alert(1)", " //attacker.example"),
        *("http://localhost@attacker.example/", "/\t/attacker.example", "%2f%2fattacker.example"),
        *("//attacker.example%2f@localhost/", "/organizations\r\nSet-Cookie: a=b", "/%0d%0aSet-Cookie:%20a=b"),
    )
    colleague = site.world.colleague

    for target in targets:
        person = Person(site.running.base_url).signed_in_as(colleague)
        asked = [person.http.get("/sign-in", params={"next": target})]
        asked.append(person.http.get("/account/second-step", params={"next": target}))
        for answer in asked:
            _leads_nowhere_else(site, answer, target)
    for target in targets[:6]:
        _leads_nowhere_else(site, Person(site.running.base_url).enter(colleague.email, next=target), target)


def _leads_nowhere_else(site: Site, answer: httpx.Response, target: str) -> None:
    if (location := answer.headers.get("Location")) is not None:
        where = httpx.URL(f"{site.running.base_url}/sign-in").join(location)
        assert where.netloc.decode() == urlsplit(site.running.base_url).netloc, (target, location)
    assert "a" not in answer.cookies, target
