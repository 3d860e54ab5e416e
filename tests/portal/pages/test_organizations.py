import datetime as dt

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials.models import Organization
from credentials.programs import REACH
from exports.models import Job
from tests.world import MembershipFactory, OrganizationFactory


def test_of_several_organizations_the_list_shows_how_each_stands(browse, world, read):
    MembershipFactory(organization=world.mesa, user=world.delegate)
    denied = OrganizationFactory(name="Denied Alliance", status=Organization.Status.DENIED)
    MembershipFactory(organization=denied, user=world.delegate)

    page = read(browse(world.delegate).get("/organizations"))

    for words in (
        "Harbor Care Alliance",
        "A9994",
        "Mesa Health Partners",
        "ACO REACH",
        "Setup needed",
        "Access denied",
    ):
        assert words in page.text


def test_the_next_step_leads_to_where_it_is_done_unless_the_role_may_not(browse, world):
    MembershipFactory(organization=world.mesa, user=world.delegate)  # a credential delegate may not, in REACH

    page = browse(world.delegate).get("/organizations").content.decode()

    assert 'href="/organizations/A9994/credentials/new"' in page
    assert 'href="/organizations/D9990/credentials/new"' not in page


def test_the_list_asks_the_database_as_often_for_many_organizations_as_for_two(browse, world):
    browser = browse(world.delegate)
    MembershipFactory(organization=world.mesa, user=world.delegate)
    world.api_client()
    world.roster(world.harbor, [])
    with CaptureQueriesContext(connection) as for_two:
        browser.get("/organizations")
    for _ in range(5):
        organization = OrganizationFactory(program=REACH)
        MembershipFactory(organization=organization, user=world.delegate)
        world.api_client(organization)
        world.roster(organization, [])

    with CaptureQueriesContext(connection) as for_seven:
        browser.get("/organizations")

    assert len(for_seven) == len(for_two)


def test_whoever_has_no_organization_is_told_what_to_do(browse, world, read):
    page = read(browse(world.operator).get("/organizations"))

    assert "You aren’t a team member of any organization yet" in page.text
    assert "Go to the administration" in page.text


def test_a_stranger_to_all_other_organizations_sees_none_of_them(browse, world, read):
    page = read(browse(world.stranger).get("/organizations", follow=True))

    assert "Mesa Health Partners" in page.text
    assert "Harbor" not in page.text


def test_the_overview_of_a_new_organization_is_a_list_of_things_to_do(delegate, read):
    page = read(delegate.get("/organizations/A9994"))

    assert "Setup needed" in page.text
    for words in (
        "No credentials",
        "No roster",
        "No export",
        "Create a client",
        "Load a roster",
        "Start your first export",
    ):
        assert words in page.text


def test_the_overview_of_one_that_is_set_up_says_so(delegate, world, read):
    world.api_client()
    roster = world.roster(world.harbor, world.beneficiaries(3))
    Job.objects.create(
        organization=world.harbor,
        requested_by=world.delegate,
        version=2,
        scope=Job.Scope.PATIENT,
        resource_types=["Patient"],
        request_url="https://gate.example/",
        roster=roster,
        status=Job.Status.COMPLETED,
        expires_at=timezone.now() + dt.timedelta(days=1),
    )

    page = read(delegate.get("/organizations/A9994"))

    assert page.text.count("Done: ") == 3
    assert "The secret for ETL expires in 90 days" in page.text
    assert "3 attributed beneficiaries" in page.text
    assert "Ready" in page.text


def test_the_overview_warns_of_a_secret_that_ends_and_of_an_old_roster(delegate, world, read):
    world.api_client().client.secrets.update(expires_at=timezone.now() - dt.timedelta(days=2, hours=1))
    world.roster(world.harbor, [], published_at=timezone.now() - dt.timedelta(days=60))

    page = read(delegate.get("/organizations/A9994"))

    assert "The secret for ETL expired" in page.text
    assert "Rotate a secret that expires" in page.text
    assert "Roster is old" in page.text
    assert "CMS created the current roster 60 days ago" in page.text


def test_a_client_whose_secrets_are_all_revoked_has_none(delegate, world, read):
    world.api_client().client.secrets.update(revoked_at=timezone.now(), slot=None)

    page = read(delegate.get("/organizations/A9994"))

    assert "No secret" in page.text
    assert "1 client." in page.text


def test_a_colleague_is_told_who_creates_clients(colleague, read):
    page = read(colleague.get("/organizations/A9994"))

    assert "To manage API credentials, you need the role Credential Delegate." in page.text


def test_a_denied_organization_is_told_so_on_every_page(delegate, world, read):
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    for path in ("", "/credentials", "/attribution", "/exports"):
        page = delegate.get(f"/organizations/A9994{path}")
        assert "can’t get claims right now" in read(page).text
        assert "/new" not in page.content.decode()
