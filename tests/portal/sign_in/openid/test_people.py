"""OpenID Connect, with a real provider: who comes in, and who does not."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib import auth
from django.test import Client as Browser

from credentials.actor import Actor
from credentials.models import AuditEvent, Membership, Organization, Role, User
from credentials.people import invitations
from credentials.trail.audit import Action
from portal.sign_in import mail_addresses
from tests.authenticators import code
from tests.portal.sign_in.openid.provider import CALLBACK, START, come_in, go, is_in, with_query
from tests.portal.sign_in.second_step.factors import set_up_app
from tests.world import PASSWORD, UserFactory, sign_in


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
        world.harbor, email="New@harbor.example", role=Role.CREDENTIAL_DELEGATE, by=Actor(user=world.delegate)
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
    invitations.withdraw(invited, by=Actor(user=world.delegate))

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
