"""OpenID Connect, with a real provider in a process of its own, and what attackers try with it."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib import auth
from django.test import Client as Browser

from credentials.models import AuditEvent, Membership, Organization, Role, User
from credentials.people import invitations
from credentials.trail.audit import Action
from portal.sign_in import mail_addresses
from portal.sign_in.openid_connect import Adapter, OpenIdProvider
from tests.authenticators import code
from tests.journeys.conftest import free_port
from tests.portal.sign_in.test_sign_in_second_step import set_up_app
from tests.world import PASSWORD, UserFactory, sign_in

START, CALLBACK = "/sign-in/with/test-idp", "/sign-in/with/test-idp/callback"
SUBJECT = "subject-1"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of the provider."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    while not _is_up(address):
        assert process.poll() is None, "the provider ended"
        assert time.monotonic() < until, "the provider did not come up within a minute"
        time.sleep(0.1)
    yield address
    process.terminate()
    process.wait()


def _is_up(address: str) -> bool:
    try:
        return requests.get(f"{address}/.well-known/openid-configuration", timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def configured(settings, issuer, world):
    """Names the provider in the settings; what is given adds to its entry."""
    Organization.objects.update(requires_second_factor=False)

    def configure(**entry: str) -> None:
        entry = {"id": "test-idp", "name": "Test IdP", "issuer": issuer, "client_id": "claimsgate", **entry}
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {
                "provider_class": "portal.sign_in.openid_connect.OpenIdProvider",
                "APPS": [
                    {
                        "provider_id": entry["id"],
                        "name": entry["name"],
                        "client_id": entry["client_id"],
                        "secret": entry.get("client_secret", ""),
                        "settings": {**entry, "server_url": entry["issuer"].rstrip("/")},
                    }
                ],
            }
        }

    configure(client_secret="secret")
    return configure


@pytest.fixture
def account(issuer):
    """Says what the provider knows of a subject."""

    def know(subject: str = SUBJECT, **claims) -> str:
        requests.put(f"{issuer}/users/{subject}", json=claims, timeout=5).raise_for_status()
        return subject

    know(email="delegate@harbor.example", email_verified=True)
    return know


@pytest.fixture
def visitor(configured, account) -> Browser:
    return Browser()


def go(visitor: Browser, **query: str) -> str:
    """The address at the provider to which the visitor is sent."""
    return visitor.get(START, query)["Location"]


def consent(address: str, subject: str = SUBJECT) -> str:
    """Sign in at the provider; the path and query with which one is sent back."""
    answer = requests.post(address, data={"sub": subject}, allow_redirects=False, timeout=5)
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def come_in(visitor: Browser, subject: str = SUBJECT, **query: str):
    return visitor.get(consent(go(visitor, **query), subject))


def is_in(browser: Browser) -> bool:
    return auth.SESSION_KEY in browser.session


def with_query(path: str, **changes: str) -> str:
    split = urlsplit(path)
    return f"{split.path}?{urlencode({**dict(parse_qsl(split.query)), **changes})}"


def test_without_providers_there_is_no_button(world, read):
    page = Browser().get("/sign-in").content.decode()

    assert "/sign-in/with/" not in page
    assert Browser().get(START).status_code == 404
    assert Browser().get(CALLBACK).status_code == 404


def test_each_provider_has_a_button(visitor):
    page = visitor.get("/sign-in", {"next": "/organizations/A9994"}).content.decode()

    assert re.search(r'href="/sign-in/with/test-idp\?next=[^"]+">Sign in with Test IdP</a>', page)


def test_a_known_person_with_a_verified_address_comes_in(visitor, world):
    response = come_in(visitor, next="/organizations/A9994/exports")

    assert response["Location"] == "/organizations/A9994/exports"
    assert visitor.get("/organizations/A9994/exports").status_code == 200
    assert SocialAccount.objects.get().user == world.delegate
    assert not SocialToken.objects.exists()
    assert {event.action for event in AuditEvent.objects.filter(user=world.delegate)} == {
        Action.SIGN_IN_LINKED,
        Action.SIGNED_IN,
    }


def test_it_asks_with_pkce_a_nonce_and_a_long_state(visitor):
    asked = parse_qs(urlsplit(go(visitor)).query)

    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["nonce"][0]) >= 22
    assert len(asked["state"][0]) >= 22
    assert asked["redirect_uri"] == ["http://testserver/sign-in/with/test-idp/callback"]
    assert set(asked["scope"][0].split()) == {"openid", "email"}


def test_nothing_of_the_request_reaches_the_provider(visitor):
    plain = parse_qs(urlsplit(go(visitor)).query)
    asked = parse_qs(
        urlsplit(go(visitor, scope="admin", auth_params="redirect_uri=https://evil.example", process="connect")).query
    )

    assert asked["redirect_uri"] == plain["redirect_uri"]
    assert asked["scope"] == plain["scope"]


def test_the_next_time_the_subject_counts_and_not_the_address(visitor, world, account):
    come_in(visitor)
    account(email="new-name@elsewhere.example", email_verified=True)
    again = Browser()

    come_in(again)

    assert again.session[auth.SESSION_KEY] == str(world.delegate.pk)


def test_only_a_few_claims_are_kept(visitor, account):
    account(email="delegate@harbor.example", email_verified=True, social_security_number="078-05-1120")

    come_in(visitor)

    assert set(SocialAccount.objects.get().extra_data) <= {"iss", "sub", "email", "email_verified", "acr"}


# --- Who is invited ---------------------------------------------------------------------------------------------------


@pytest.fixture
def invited(visitor, world, account):
    """The visitor has opened an invitation; the provider knows the person."""
    invitation = invitations.invite(
        world.harbor, email="New@harbor.example", role=Role.CREDENTIAL_DELEGATE, by=world.delegate
    )
    account(email="new@harbor.example", email_verified=True)
    visitor.get("/invitation", {"link": invitations.token_of(invitation)})
    return invitation


def test_an_invited_person_can_come_with_a_provider_and_accept(visitor, invited, world):
    page = visitor.get("/invitation").content.decode()
    back = come_in(visitor, next="/invitation")
    before = Membership.objects.filter(organization=world.harbor).count()
    done = visitor.post("/invitation", {"invitation": invited.pk, "responsibility": "taken"})

    assert "/sign-in/with/test-idp?next=%2Finvitation" in page
    assert back["Location"] == "/invitation"
    assert before == 2
    assert done["Location"] == "/organizations/A9994"
    person = User.objects.get(email="New@harbor.example")
    assert not person.has_usable_password()
    assert mail_addresses.is_verified(person)
    assert Membership.objects.filter(organization=world.harbor, user=person).exists()


@pytest.mark.parametrize("claims", [{"email": "other@harbor.example"}, {"email_verified": False}])
def test_with_an_invitation_nobody_else_comes_in(visitor, invited, account, claims):
    account(**{"email": "new@harbor.example", "email_verified": True, **claims})

    come_in(visitor, next="/invitation")

    assert not is_in(visitor)
    assert not User.objects.filter(email__in=["New@harbor.example", "other@harbor.example"]).exists()


def test_with_an_invitation_that_was_withdrawn_nobody_comes_in(visitor, invited, world):
    invitations.withdraw(invited, by=world.delegate)

    come_in(visitor, next="/invitation")

    assert not is_in(visitor)
    assert not User.objects.filter(email__iexact="new@harbor.example").exists()


# --- Who does not come in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verified", [False, "true", "false", 1, None, "absent"])
def test_an_address_that_is_not_verified_opens_nothing(visitor, account, read, verified):
    account(email="delegate@harbor.example", **({} if verified == "absent" else {"email_verified": verified}))

    response = come_in(visitor)

    assert response["Location"] == "/sign-in"
    assert "Your email address isn’t verified at Test IdP." in read(visitor.get("/sign-in")).text
    assert not is_in(visitor)
    assert not SocialAccount.objects.exists()


def test_a_stranger_gets_no_account(visitor, account, read):
    before = User.objects.count()
    account("stranger", email="me@evil.example", email_verified=True)

    come_in(visitor, "stranger")

    assert "no Claimsgate account uses it" in read(visitor.get("/sign-in")).text
    assert not is_in(visitor)
    assert User.objects.count() == before
    assert not SocialAccount.objects.exists()


def test_without_any_address_nobody_comes_in(visitor, account):
    account("nameless")

    come_in(visitor, "nameless")

    assert not is_in(visitor)


@pytest.mark.parametrize("is_linked", [False, True])
def test_whoever_is_switched_off_stays_outside(visitor, world, is_linked):
    if is_linked:
        come_in(Browser())
    world.delegate.is_active = False
    world.delegate.save()

    come_in(visitor)

    assert not is_in(visitor)


def test_calling_it_off_at_the_provider_leads_back_in_words(visitor, read):
    address = go(visitor)
    answer = requests.post(address, data={"action": "deny"}, allow_redirects=False, timeout=5)
    state = parse_qs(urlsplit(address).query)["state"][0]

    visitor.get(with_query(urlsplit(answer.headers["Location"])._replace(scheme="", netloc="").geturl(), state=state))

    assert "You weren’t signed in, because that was cancelled at Test IdP." in read(visitor.get("/sign-in")).text
    assert not is_in(visitor)


def test_a_provider_that_does_not_answer_is_no_mistake_of_ours(configured, read):
    configured(issuer="http://127.0.0.1:9")
    visitor = Browser()

    response = visitor.get(START)

    assert response["Location"] == "/sign-in"
    assert "We couldn’t sign you in with Test IdP." in read(visitor.get("/sign-in")).text


# --- Second step and links --------------------------------------------------------------------------------------------


def test_ones_own_second_step_is_asked_for_all_the_same_and_linked_only_after_it(visitor, world):
    secret = set_up_app(sign_in(Browser(SERVER_NAME="localhost"), world.delegate))

    first = come_in(visitor)
    between = is_in(visitor), SocialAccount.objects.exists()
    visitor.post(first["Location"], {"code": code(secret, steps=1)})

    assert first["Location"] == "/sign-in/second-step"
    assert between == (False, False)
    assert is_in(visitor)
    assert SocialAccount.objects.get().user == world.delegate


def test_an_organization_that_asks_for_a_second_step_asks_here_too(visitor, world):
    Organization.objects.update(requires_second_factor=True)

    come_in(visitor)

    assert visitor.get("/organizations/A9994")["Location"].startswith("/account/second-step")


def test_a_password_that_nobody_has_confirmed_is_taken_away(visitor, account, mails):
    newcomer = UserFactory(email="new@harbor.example", has_verified_address=False)
    account("new", email="New@Harbor.example", email_verified=True)

    come_in(visitor, "new")

    newcomer.refresh_from_db()
    assert is_in(visitor)
    assert visitor.get("/account").status_code == 200
    assert mail_addresses.is_verified(newcomer)
    assert not newcomer.has_usable_password()
    assert mails[-1].subject == "Claimsgate: Your Test IdP account was linked"


def test_a_confirmed_password_stays(visitor, world):
    come_in(visitor)

    world.delegate.refresh_from_db()
    assert world.delegate.check_password(PASSWORD)


# --- Attacks ----------------------------------------------------------------------------------------------------------


def assert_refused(visitor: Browser, read) -> None:
    assert "We couldn’t sign you in with Test IdP." in read(visitor.get("/sign-in")).text
    assert not is_in(visitor)
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("state", ["", "made-up", "x" * 40])
def test_an_answer_to_no_question_is_refused(visitor, read, state):
    back = consent(go(visitor))

    visitor.get(with_query(back, state=state))

    assert_refused(visitor, read)


def test_an_answer_to_another_browsers_question_is_refused(visitor, read):
    back = consent(go(Browser()))  # an attacker signs in, and has the victim follow the way back

    visitor.get(back)

    assert_refused(visitor, read)


def test_a_code_of_another_sign_in_is_refused_by_its_nonce(visitor, read):
    stolen = parse_qs(urlsplit(consent(go(Browser()))).query)["code"][0]
    back = consent(go(visitor))

    visitor.get(with_query(back, code=stolen))

    assert_refused(visitor, read)


def test_an_answer_counts_once(visitor):
    back = consent(go(visitor))
    visitor.get(back)
    visitor.post("/sign-out")

    visitor.get(back)

    assert not is_in(visitor)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "https:evil"])
def test_it_leads_to_no_other_site(visitor, elsewhere):
    assert come_in(visitor, next=elsewhere)["Location"] == "/organizations"


def test_a_code_that_the_provider_does_not_know_is_refused(visitor, read):
    visitor.get(with_query(consent(go(visitor)), code="made-up"))

    assert_refused(visitor, read)


# --- What a provider says, and what of it is believed -----------------------------------------------------------------


class Forger:
    """Has the adapter see tokens that a provider, or somebody in between, might make."""

    def __init__(self, monkeypatch, issuer: str) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.claims = {"iss": issuer, "sub": SUBJECT, "aud": "claimsgate", "iat": time.time(), "exp": time.time() + 60}
        self.told = {"sub": SUBJECT, "email": "delegate@harbor.example", "email_verified": True}
        self.algorithm: str | None = "RS256"
        self.header: dict = {}
        self.signs_with = self.key
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        monkeypatch.setattr(Adapter, "_key", lambda _, __: jwt.PyJWK({**public, "alg": "RS256"}))
        monkeypatch.setattr(Adapter, "_user_info", lambda _, __: self.told)
        monkeypatch.setattr(Adapter, "get_access_token_data", lambda adapter, *_, **__: self._token(adapter))

    def _token(self, adapter: Adapter) -> dict:
        claims = {"nonce": adapter.nonce, **self.claims}
        signed = jwt.encode(claims, self.signs_with, algorithm=self.algorithm, headers=self.header)
        return {"access_token": "x", "id_token": signed}


@pytest.fixture
def forger(monkeypatch, issuer) -> Forger:
    return Forger(monkeypatch, issuer)


def test_a_token_in_order_is_believed(visitor, forger):
    come_in(visitor)

    assert is_in(visitor)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["claimsgate", "another-client"]},
        {"exp": 1},
        {"nonce": "another"},
        {"nonce": ""},
        {"iat": time.time() + 3600},
        {"sub": "somebody-else"},
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(visitor, forger, read, claims):
    forger.claims |= claims

    come_in(visitor)

    assert_refused(visitor, read)


@pytest.mark.parametrize("missing", ["exp", "aud", "sub", "iat"])
def test_a_token_that_says_too_little_is_refused(visitor, forger, read, missing):
    del forger.claims[missing]

    come_in(visitor)

    assert_refused(visitor, read)


def test_a_token_signed_by_somebody_else_is_refused(visitor, forger, read):
    forger.signs_with = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    come_in(visitor)

    assert_refused(visitor, read)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_without_a_signature_or_signed_with_the_public_key_is_refused(visitor, forger, read, algorithm):
    forger.algorithm = algorithm
    forger.signs_with = None if algorithm == "none" else "a shared key that the attacker hopes for, 32 bytes"

    come_in(visitor)

    assert_refused(visitor, read)


def test_user_info_about_somebody_else_is_refused(visitor, forger, read):
    forger.told["sub"] = "somebody-else"

    come_in(visitor)

    assert_refused(visitor, read)


def test_a_provider_that_calls_itself_otherwise_is_refused(configured, issuer, read):
    configured(issuer=f"{issuer}/")
    visitor = Browser()

    response = visitor.get(START)

    assert response["Location"] == "/sign-in"
    assert_refused(visitor, read)


def test_a_private_key_can_stand_for_the_secret(configured, monkeypatch, tmp_path, issuer, account):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    configured(private_key_file=str(pem), key_id="our-key", acr_values="urn:acr.login.gov:auth-only")
    sent: list[dict] = []
    request = requests.Session.request

    def watch(session, method, url, **options):
        if url.endswith("/oauth2/token"):
            sent.append(options["data"])
        return request(session, method, url, **options)

    monkeypatch.setattr(requests.Session, "request", watch)
    visitor = Browser()
    address = go(visitor)
    visitor.get(consent(address))

    assert parse_qs(urlsplit(address).query)["acr_values"] == ["urn:acr.login.gov:auth-only"]
    assert "client_secret" not in sent[0]
    assert sent[0]["code_verifier"]
    assert sent[0]["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assertion = jwt.decode(
        sent[0]["client_assertion"], key.public_key(), algorithms=["RS256"], audience=f"{issuer}/oauth2/token"
    )
    assert (assertion["iss"], assertion["sub"]) == ("claimsgate", "claimsgate")
    assert assertion["exp"] - assertion["iat"] == 300
    assert jwt.get_unverified_header(sent[0]["client_assertion"])["kid"] == "our-key"


def test_the_same_subject_of_another_issuer_is_another_person():
    one, two = ({"iss": f"https://{name}.example", "sub": SUBJECT} for name in ("one", "two"))

    assert OpenIdProvider.extract_uid(None, one) != OpenIdProvider.extract_uid(None, two)
