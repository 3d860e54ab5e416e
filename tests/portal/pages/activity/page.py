"""The page of the activity, and events to fill it."""

import datetime as dt
import re

from credentials.models import AuditEvent
from credentials.trail.audit import Action

PAGE = "/organizations/A9994/audit"
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def events(world, count: int, *, at: dt.datetime = NOON, step: dt.timedelta = dt.timedelta(minutes=1), **facts):
    """So many events, one each minute."""
    return AuditEvent.objects.bulk_create(
        AuditEvent(
            action=facts.get("action", Action.TOKEN_ISSUED),
            organization=facts.get("organization", world.harbor),
            user=facts.get("user"),
            client=facts.get("client"),
            outcome=facts.get("outcome", AuditEvent.Outcome.DONE),
            occurred_at=at + number * step,
            request_id=f"{facts.get('name', 'event')}-{number:03}",
        )
        for number in range(count)
    )


def shown(response) -> list[str]:
    return re.findall(r"request ID ([a-z]+-\d{3})", response.content.decode())


def links(response) -> dict[str, str]:
    found = re.findall(r'href="([^"]+)" rel="(prev|next)"', response.content.decode())
    return {rel: href.replace("&amp;", "&") for href, rel in found}
