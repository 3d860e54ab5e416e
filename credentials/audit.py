"""The audit trail: the whole vocabulary of audited acts, and the one way to write them down."""

import enum
from typing import Any

from django.http import HttpRequest

from credentials.middleware import client_address, request_id
from credentials.models import AuditEvent, Client, Organization, User


class Action(enum.StrEnum):
    """Everything that is written down, in alphabetical order. A value, once used, keeps its meaning for ever."""

    ADDRESSES_CHANGED = "addresses.changed"
    CLIENT_CREATED = "client.created"
    CLIENT_REVOKED = "client.revoked"
    EXPORT_CANCELLED = "export.cancelled"
    EXPORT_DOWNLOADED = "export.downloaded"
    EXPORT_STARTED = "export.started"
    REQUEST_REFUSED = "request.refused"
    ROSTER_PUBLISHED = "roster.published"
    ROSTER_REFUSED = "roster.refused"
    SECRET_CREATED = "secret.created"  # noqa: S105  # the name of an act
    TOKEN_ISSUED = "token.issued"  # noqa: S105  # the name of an act
    TOKEN_REFUSED = "token.refused"  # noqa: S105  # the name of an act


def record(
    action: Action,
    *,
    organization: Organization | None,
    user: User | None = None,
    client: Client | None = None,
    request: HttpRequest | None = None,
    **detail: Any,
) -> AuditEvent:
    """Write an event. Call it inside the transaction of the act, so that neither is there without the other.

    `detail` is JSON and holds no secret and no MBI.
    """
    return AuditEvent.objects.create(
        action=action,
        organization=organization,
        user=user,
        client=client,
        address=client_address(request) if request else None,
        request_id=request_id(request) if request else "",
        detail=detail,
    )
