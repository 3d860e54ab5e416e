"""Organizations that are limited or denied: each page says so, and promises no more than an export would hold."""

import datetime as dt

import pytest
from django.test import Client as Browser

from credentials.actor import Actor
from credentials.clients import key_registration
from credentials.models import Organization
from exports.models import Job
from tests.credentials.tokens.signing import ec_key, public_pem
from tests.exports.store import fill
from tests.world import MembershipFactory, sign_in

HARBOR = "/organizations/A9994"
ENDED = dt.date(2026, 3, 31)
BEFORE = dt.datetime(2026, 3, 1, 10, 0, tzinfo=dt.UTC)
AFTER = dt.datetime(2026, 4, 1, 0, 1, tzinfo=dt.UTC)
PAGES = [
    "",
    "/credentials",
    "/attribution",
    "/exports",
    "/exports/new",
    "/attribution/new",
    "/team",
    "/audit",
    "/connection",
]
GOOD = "status--good"


@pytest.fixture
def rosters(world) -> None:
    """Three beneficiaries up to the end, seven after it."""
    people = world.beneficiaries(7)
    world.roster(world.harbor, people[:3], published_at=BEFORE)
    world.roster(world.harbor, people, published_at=AFTER)


def limit(organization: Organization, strategy: str = "historical", claims: str = "historical") -> None:
    Organization.objects.filter(pk=organization.pk).update(
        status="limited", termination_date=ENDED, attribution_strategy=strategy, claims_strategy=claims
    )


def deny(organization: Organization) -> None:
    Organization.objects.filter(pk=organization.pk).update(status="denied")


# --- Limited ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("rosters")
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("strategy", ["historical", "latest"])
def test_each_page_of_a_limited_organization_says_since_when_and_how(delegate, world, read, path, strategy):
    limit(world.harbor, strategy, claims=strategy)

    page = read(delegate.get(f"{HARBOR}{path}"))

    assert "Limited access" in page.text
    assert "ended on Mar 31, 2026. You can only export limited data." in page.text
    assert ("roster that CMS created on or before Mar 31, 2026" in page.text) == (strategy == "historical")
    assert ("Claims: services on or before Mar 31, 2026" in page.text) == (strategy == "historical")


@pytest.mark.parametrize("path", PAGES)
def test_an_active_organization_is_told_nothing_of_the_kind(delegate, rosters, read, path):
    page = read(delegate.get(f"{HARBOR}{path}"))

    assert "Limited" not in page.text
    assert "Access denied" not in page.text


@pytest.mark.usefixtures("rosters")
@pytest.mark.parametrize(("strategy", "count"), [("historical", 3), ("latest", 7)])
def test_pages_count_whom_an_export_would_hold(delegate, world, read, strategy, count):
    fill(world)
    limit(world.harbor, strategy)

    overview, start = read(delegate.get(HARBOR)), read(delegate.get(f"{HARBOR}/exports/new"))
    attribution = read(delegate.get(f"{HARBOR}/attribution"))
    delegate.post(f"{HARBOR}/exports/new", {"scope": "patient", "resource_types": ["Patient"]})

    assert Job.objects.get().roster.beneficiary_count == count
    assert f"{count} attributed beneficiaries on the roster of" in overview.text
    assert ("You have 3 attributed beneficiaries." in overview.text) == (strategy == "historical")  # else it is old
    assert f": {count} attributed beneficiaries." in start.text
    assert f"Beneficiaries {count}" in attribution.text.split("All rosters")[0]


def test_a_limited_organization_is_not_ready_but_limited_on_the_overview_and_in_the_list(browse, world, rosters, read):
    world.api_client()
    MembershipFactory(organization=world.mesa, user=world.delegate)
    limit(world.harbor)
    browser = browse(world.delegate)

    overview, listed = read(browser.get(HARBOR)), read(browser.get("/organizations"))

    for page in (overview, listed):
        assert "Limited since Mar 31, 2026" in page.text
        assert "Ready" not in page.text
    # The last roster before the end is old for ever, and that is right.
    assert "Roster is old" not in overview.text
    assert "Load this month’s roster" not in overview.text


@pytest.mark.parametrize("path", ["", "/exports/new", "/attribution"])
def test_without_a_roster_up_to_the_end_each_page_says_which_one_is_wanted(delegate, world, read, path):
    world.roster(world.harbor, world.beneficiaries(2), published_at=AFTER)
    limit(world.harbor)

    page = read(delegate.get(f"{HARBOR}{path}"))

    assert "that CMS created on or before Mar 31, 2026, when participation ended" in page.text
    assert "2 attributed" not in page.text
    assert "this month’s roster" not in page.text


def test_and_so_does_the_answer_to_whoever_starts_an_export_all_the_same(delegate, world, read):
    world.roster(world.harbor, world.beneficiaries(2), published_at=AFTER)
    limit(world.harbor)

    page = delegate.post(f"{HARBOR}/exports/new", {"scope": "patient", "resource_types": ["Patient"]})

    assert page.status_code == 400
    assert "Load a roster that CMS created on or before Mar 31, 2026" in read(page).text
    assert not Job.objects.exists()


def test_the_upload_page_says_that_a_later_roster_is_not_used(delegate, world, read):
    limit(world.harbor)

    assert "You can load a later one, but exports won’t use it." in read(delegate.get(f"{HARBOR}/attribution/new")).text


# --- Denied -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pages_about_a_client(world, delegate) -> list[str]:
    """Where a client of Harbor's with a secret, a key and a key set stands."""
    client = world.api_client().client
    key_registration.add_keys(client, public_pem(ec_key()), name="Key", kid="a", by=Actor())
    own = f"{HARBOR}/credentials/{client.client_id}"
    return [HARBOR, f"{HARBOR}/credentials", own, f"{own}/keys"]


def test_nothing_of_a_denied_organization_looks_as_if_it_worked(delegate, world, pages_about_a_client, read):
    before = [delegate.get(path).content.decode() for path in pages_about_a_client]
    deny(world.harbor)

    after = [delegate.get(path) for path in pages_about_a_client]

    assert all(GOOD in page for page in before)
    for path, page in zip(pages_about_a_client, after, strict=True):
        assert GOOD not in page.content.decode(), path
        words = read(page).text
        assert words.count("Access denied") >= 2, path  # the notice, and the status
        assert "Active" not in words.replace("Activity", ""), path
        assert "Valid" not in words, path


def test_the_page_of_a_denied_client_says_why_it_cannot_sign_in(delegate, world, pages_about_a_client, read):
    deny(world.harbor)

    page = read(delegate.get(pages_about_a_client[2]))

    assert "This client can’t sign in while Harbor Care Alliance is denied access" in page.text
    assert "This client has never signed in" not in page.text


def test_the_list_of_organizations_and_a_revoked_client_say_what_is_so(browse, world, read):
    MembershipFactory(organization=world.mesa, user=world.delegate)
    client = world.api_client().client
    client.revoked_at = AFTER
    client.save()
    deny(world.harbor)
    browser = browse(world.delegate)

    listed, clients = read(browser.get("/organizations")), browser.get(f"{HARBOR}/credentials")

    assert "Access denied" in listed.text
    assert "Revoked" in read(clients).text
    assert GOOD not in clients.content.decode()


def test_a_denied_organization_is_not_told_of_a_limit_too(delegate, world, rosters, read):
    limit(world.harbor)
    deny(world.harbor)

    page = read(delegate.get(HARBOR))

    assert "Access denied" in page.text
    assert "Limited" not in page.text


# --- The administration -----------------------------------------------------------------------------------------------


@pytest.fixture
def operator(world) -> Browser:
    return sign_in(Browser(), world.operator)


def test_operators_see_the_end_of_participation_and_denied_clients(operator, world, read):
    world.api_client()
    limit(world.mesa)
    deny(world.harbor)

    organizations = read(operator.get("/admin/credentials/organization/"))
    clients = read(operator.get("/admin/credentials/client/"))

    assert "March 31, 2026" in organizations.text
    assert "Access denied" in clients.text
