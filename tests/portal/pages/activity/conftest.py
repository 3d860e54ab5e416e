"""A trail in which there is something to look for."""

import datetime as dt

import pytest

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from tests.portal.pages.activity.page import NOON, events


@pytest.fixture
def trail(world):
    client = world.api_client().client
    day = dt.timedelta(days=1)
    events(world, 1, name="roster", action=Action.ROSTER_PUBLISHED, user=world.delegate)
    events(world, 1, name="token", at=NOON + day, client=client)
    events(
        world,
        1,
        name="refused",
        at=NOON + 2 * day,
        action=Action.TOKEN_REFUSED,
        client=client,
        outcome=AuditEvent.Outcome.DENIED,
    )
    events(world, 1, name="operator", at=NOON + 3 * day, action=Action.CLIENT_REVOKED, user=world.operator)
    return client
