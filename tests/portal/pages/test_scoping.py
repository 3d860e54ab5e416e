"""Every page of an organization, for everyone who may come."""

import copy
import re

import pytest
from django.test import Client as Browser

from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.clients.key_registration import add_keys, set_key_set_url
from credentials.models import AuditEvent, Client, ClientKey, ClientSecret, Invitation, Membership, Organization
from credentials.people.invitations import invite
from exports.models import Job
from portal.pages import urls as site_urls
from tests.credentials.tokens.signing import ec_key, jwk, key_set
from tests.world import World

PAGES = {
    "overview": "",
    "clients": "/credentials",
    "client-create": "/credentials/new",
    "client": "/credentials/{client}",
    "client-secret": "/credentials/{client}/secret",
    "client-addresses": "/credentials/{client}/addresses",
    "client-revoke": "/credentials/{client}/revoke",
    "client-rotate": "/credentials/{client}/rotate",
    "secret-revoke": "/credentials/{client}/secrets/{secret}/revoke",
    "client-keys": "/credentials/{client}/keys",
    "client-key-add": "/credentials/{client}/keys/new",
    "client-key-set": "/credentials/{client}/keys/url",
    "client-key-set-revoke": "/credentials/{client}/keys/url/revoke",
    "client-key-revoke": "/credentials/{client}/keys/{key}/revoke",
    "connection": "/connection",
    "audit": "/audit",
    "audit-csv": "/audit.csv",
    "audit-ndjson": "/audit.ndjson",
    "rosters": "/attribution",
    "roster-upload": "/attribution/new",
    "roster": "/attribution/{roster}",
    "roster-problems": "/attribution/{roster}/problems.csv",
    "roster-rollback": "/attribution/{roster}/rollback",
    "exports": "/exports",
    "export-start": "/exports/new",
    "export": "/exports/{job}",
    "export-progress": "/exports/{job}/progress",
    "export-cancel": "/exports/{job}/cancel",
    "team": "/team",
    "member-invite": "/team/invite",
    "invitation-resend": "/team/invitations/{invitation}/resend",
    "invitation-withdraw": "/team/invitations/{invitation}/withdraw",
    "member-role": "/team/members/{member}/role",
    "member-remove": "/team/members/{member}/remove",
}
CHANGES_CREDENTIALS = {
    *("client-create", "client-addresses", "client-revoke", "client-rotate", "secret-revoke"),
    *("client-key-add", "client-key-set", "client-key-set-revoke", "client-key-revoke"),
    *("member-invite", "invitation-resend", "invitation-withdraw", "member-role", "member-remove"),
}
FOR_MANAGERS = {*CHANGES_CREDENTIALS, "client-secret"}
GATED = {
    *("client-create", "client-addresses", "client-rotate", "client-key-add", "client-key-set"),
    *("roster-upload", "roster-rollback", "export-start", "member-invite", "invitation-resend", "member-role"),
}
# Buttons without a page of their own: tests/portal/pages/test_previews_of_rosters.py.
BUTTONS = {"roster-publish", "roster-approval", "roster-discard"}
WITHOUT_TITLE = {"audit-csv", "audit-ndjson", "roster-problems", "export-progress"}


@pytest.fixture(scope="module")
def one_of_each(kept) -> tuple[World, dict[str, object]]:
    """A world in which Harbor has one of everything, and how these are named in URLs."""
    world = World()
    roster = world.roster(world.harbor, world.beneficiaries(1))
    roster.problems = [{"file": roster.file_name, "line": 1, "column": 1, "reason": "A test."}]
    roster.save()
    job = Job.objects.create(
        organization=world.harbor,
        requested_by=world.delegate,
        version=2,
        scope=Job.Scope.PATIENT,
        resource_types=["Patient"],
        request_url="https://gate.example/",
        roster=roster,
    )
    client = world.api_client().client
    key = add_keys(client, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=Actor(user=world.delegate))[0]
    set_key_set_url(client, "https://keys.harbor.example/jwks.json", by=Actor(user=world.delegate))
    invitation = invite(
        world.harbor, email="new@harbor.example", role="credential_delegate", by=Actor(user=world.delegate)
    )
    return world, {
        "invitation": invitation.pk,
        "member": Membership.objects.get(user=world.colleague).pk,
        "client": client.client_id,
        "secret": client.secrets.get().pk,
        "key": key.pk,
        "roster": roster.pk,
        "job": job.pk,
    }


@pytest.fixture
def world(db, one_of_each) -> World:
    return copy.deepcopy(one_of_each[0])


@pytest.fixture
def address(world, one_of_each):
    """The URL of a page of Harbor, by its name."""
    return lambda name: "/organizations/A9994" + PAGES[name].format(**one_of_each[1])


def test_every_page_of_an_organization_is_among_those_tried_here():
    def names(patterns):
        for pattern in patterns:
            yield from names(pattern.url_patterns) if hasattr(pattern, "url_patterns") else [pattern.name]

    outside = {"home", "sign-in", "sign-out", "organizations"}

    assert set(names(site_urls.urlpatterns)) - outside == {*PAGES, *BUTTONS, "export-file"}


@pytest.mark.parametrize("name", PAGES)
def test_a_member_sees_it_and_nobody_keeps_a_copy(delegate, address, name):
    response = delegate.get(address(name))

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("name", PAGES)
def test_a_colleague_sees_all_but_what_changes_credentials(colleague, address, read, name):
    response = colleague.get(address(name))

    assert response.status_code == (403 if name in FOR_MANAGERS else 200)
    if name in FOR_MANAGERS:
        assert "To manage API credentials, you need the role Credential Delegate." in read(response).text


@pytest.mark.parametrize("name", PAGES)
def test_to_a_stranger_it_is_not_there(stranger, address, name):
    for response in (stranger.get(address(name)), stranger.post(address(name))):
        assert response.status_code == 404
        assert "Harbor" not in response.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_an_operator_who_is_no_member_is_a_stranger_too(browse, world, address, name):
    assert browse(world.operator).get(address(name)).status_code == 404


@pytest.mark.parametrize("name", PAGES)
def test_whoever_has_not_signed_in_is_asked_to(address, name):
    response = Browser().get(address(name))

    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in?next=/organizations/A9994")


@pytest.mark.parametrize("name", PAGES)
def test_of_a_denied_organization_only_what_gives_claims_is_closed(delegate, world, address, name):
    where = address(name)
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    assert delegate.get(where).status_code == (403 if name in GATED else 200)


@pytest.mark.parametrize(
    "path",
    [
        "/credentials/{client}",
        "/credentials/{client}/addresses",
        "/credentials/{client}/revoke",
        "/credentials/{client}/secret",
        "/credentials/{client}/rotate",
        "/credentials/{client}/secrets/{secret}/revoke",
        "/credentials/{client}/keys",
        "/credentials/{client}/keys/new",
        "/credentials/{client}/keys/url",
        "/credentials/{client}/keys/url/revoke",
        "/credentials/{client}/keys/{key}/revoke",
        "/attribution/{roster}",
        "/exports/{job}",
        "/exports/{job}/progress",
        "/exports/{job}/cancel",
        "/team/invitations/{invitation}/resend",
        "/team/invitations/{invitation}/withdraw",
        "/team/members/{member}/role",
        "/team/members/{member}/remove",
    ],
)
def test_what_is_another_organizations_is_not_found_under_ones_own_either(browse, world, address, path):
    address("overview")
    facts = {
        "client": Client.objects.get().client_id,
        "secret": ClientSecret.objects.get().pk,
        "key": ClientKey.objects.get().pk,
        "roster": RosterFile.objects.get().pk,
        "job": Job.objects.get().pk,
        "invitation": Invitation.objects.get().pk,
        "member": Membership.objects.get(user=world.colleague).pk,
    }
    browser = browse(world.stranger)
    where = "/organizations/D9990" + path.format(**facts)

    assert browser.get(where).status_code == 404
    assert browser.post(where).status_code in {404, 405}
    assert Client.objects.get().revoked_at is None
    assert ClientSecret.objects.get().revoked_at is ClientKey.objects.get().revoked_at is None
    assert Job.objects.get().status == Job.Status.PENDING
    assert Invitation.objects.get().is_open
    assert Membership.objects.filter(organization=world.harbor).count() == 2


@pytest.mark.parametrize(
    "path",
    [
        "/credentials/00000000-0000-4000-8000-000000000000",
        "/attribution/999999999999999999999",
        "/exports/999999999999999999999",
    ],
)
def test_what_does_not_exist_is_not_found(delegate, path):
    assert delegate.get(f"/organizations/A9994{path}").status_code == 404


def test_a_fragment_asks_for_the_whole_page_when_the_session_is_over(address):
    response = Browser().get(address("export-progress"), headers={"HX-Request": "true"})

    assert response["HX-Refresh"] == "true"
    assert response.content == b""


@pytest.mark.parametrize("name", sorted(CHANGES_CREDENTIALS))
def test_a_colleague_cannot_change_credentials_by_posting(colleague, address, name):
    where = address(name)
    before = AuditEvent.objects.count()

    response = colleague.post(
        where,
        {
            "name": "Mine",
            "address_1": "9.9.9.9",
            "overlap": "0",
            "pasted": key_set(jwk(ec_key(number=1), "k2")),
            "url": "https://elsewhere.example/jwks.json",
            "email": "mine@harbor.example",
            "role": "credential_delegate",
            "made": "revoke",
        },
    )

    client = Client.objects.get()
    assert response.status_code == 403
    assert client.revoked_at is None
    assert [str(each) for each in client.addresses.all()] == ["8.8.8.8"]
    assert client.secrets.get().revoked_at is client.keys.get().revoked_at is client.key_sets.get().revoked_at is None
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("name", sorted(CHANGES_CREDENTIALS))
def test_a_form_that_another_site_has_sent_changes_nothing(delegate, address, name):
    where = address(name)
    before = AuditEvent.objects.count()
    delegate.handler.enforce_csrf_checks = True

    response = delegate.post(
        where, {"name": "Mine", "address_1": "9.9.9.9", "overlap": "0", "url": "https://x.example/"}
    )

    assert response.status_code == 403
    assert AuditEvent.objects.count() == before


def test_each_page_has_a_title_of_its_own(delegate, address, read):
    titles = [read(delegate.get(address(name))).title for name in PAGES if name not in WITHOUT_TITLE]

    assert len(set(titles)) == len(titles)
    assert all(title.endswith(" · Harbor Care Alliance · Claimsgate") for title in titles)


def test_the_navigation_says_where_one_is(delegate, address):
    page = delegate.get(address("client")).content.decode()

    current = re.findall(r'<a class="site-nav__link" href="([^"]+)" aria-current="page">', page)
    assert current == ["/organizations/A9994/credentials"]
