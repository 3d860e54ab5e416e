"""A link of an invitation, whoever got it, and a second delegate."""

import pytest
from django.test import Client as Browser

from credentials.models import Membership
from tests.portal.pages.team.invitation import LINK, invite
from tests.world import MembershipFactory


@pytest.fixture
def visitor(world) -> Browser:
    """The browser of whoever got the mail."""
    return Browser(REMOTE_ADDR="8.8.4.4")


@pytest.fixture
def link(delegate, mails) -> str:
    """The link of an invitation, as it was mailed."""
    invite(delegate)
    return LINK.search(mails[-1].body)[1]


@pytest.fixture
def second(world) -> Membership:
    return MembershipFactory(organization=world.harbor, user__email="second@harbor.example")
