"""Who is asked for a second step."""

import pytest
from django.test import Client as Browser

from credentials.models import Organization
from tests.world import MembershipFactory, sign_in


@pytest.mark.parametrize("path", ["", "/credentials", "/credentials/new", "/attribution", "/exports", "/exports/new"])
def test_nothing_of_the_organization_opens_before_it_is_set_up(newcomer, world, path):
    where = f"/organizations/A9994{path}"

    for response in (newcomer.get(where), newcomer.post(where, {"name": "Mine", "address_1": "9.9.9.9"})):
        assert response.status_code == 302
        assert response["Location"].startswith("/account/second-step?next=%2Forganizations%2FA9994")
    assert not world.harbor.clients.exists()


def test_the_page_says_who_asks_and_what_to_choose_from(newcomer, read):
    page = read(newcomer.get("/organizations/A9994", follow=True))

    assert (
        "Harbor Care Alliance requires two-factor authentication for everyone who manages API credentials" in page.text
    )
    assert "Set up a passkey" in page.text
    assert "Set up an authenticator app" in page.text


def test_whoever_does_not_manage_credentials_is_not_asked(world):
    colleague = sign_in(Browser(), world.colleague, with_second_factor=False)

    assert colleague.get("/organizations/A9994").status_code == 200


def test_an_organization_can_switch_the_rule_off(newcomer, world):
    Organization.objects.filter(pk=world.harbor.pk).update(requires_second_factor=False)

    assert newcomer.get("/organizations/A9994").status_code == 200


def test_a_stranger_is_not_told_of_the_rule(newcomer):
    assert newcomer.get("/organizations/D9990").status_code == 404


def test_in_the_list_a_closed_organization_says_only_that(newcomer, world, read):
    MembershipFactory(organization=world.mesa, user=world.delegate)
    world.api_client()

    page = read(newcomer.get("/organizations"))

    assert "Harbor Care Alliance A9994 Medicare Shared Savings Program Credential Delegate Locked" in page.text
    assert page.text.count("Setup needed") == 1  # Mesa's


def test_a_fragment_of_a_page_asks_for_the_whole_page(newcomer):
    response = newcomer.get("/organizations/A9994/exports", headers={"HX-Request": "true"})

    assert response["HX-Refresh"] == "true"
