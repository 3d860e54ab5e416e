"""The page of the team."""

import html
import re

from allauth.mfa.models import Authenticator

from tests.journeys.browser.visitor import give_app
from tests.portal.pages.team.invitation import EMAIL, TEAM
from tests.world import MembershipFactory


def test_it_shows_members_and_open_invitations(delegate, world, link, read):
    page = read(delegate.get(TEAM)).text

    assert f"{world.delegate} (you)" in page
    assert "colleague@harbor.example" in page
    assert "doesn’t manage API credentials" in page
    assert EMAIL in page
    assert "Sent" in page
    assert "custodian@mesa.example" not in page


def test_without_invitations_it_says_so(delegate, read):
    assert "There are no open invitations." in read(delegate.get(TEAM)).text


def test_who_does_not_manage_credentials_reads_and_changes_nothing(colleague, world, link):
    page = colleague.get(TEAM).content.decode()

    assert "You can view this page, but you can’t change it." in html.unescape(page)
    assert "/remove" not in page
    assert "/resend" not in page
    assert f"{TEAM}/invite" not in page


def test_a_second_step_counts_and_recovery_codes_alone_do_not(delegate, world):
    def answers() -> list[str]:
        return re.findall(r'data-label="Two-factor authentication">(\w+)<', delegate.get(TEAM).content.decode())

    before = answers()
    Authenticator.objects.create(user=world.colleague, type=Authenticator.Type.RECOVERY_CODES, data={})
    with_codes = answers()
    give_app(world.delegate)

    assert before == with_codes == ["Off", "Off"]
    assert sorted(answers()) == ["Off", "On"]


def test_it_asks_the_database_the_same_however_many_there_are(delegate, world, django_assert_max_num_queries):
    MembershipFactory.create_batch(15, organization=world.harbor)

    with django_assert_max_num_queries(14):
        delegate.get(TEAM)
