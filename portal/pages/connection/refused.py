"""The refused calls of an organization's clients: which client, why, and from which IP address."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import IntegerField, Max, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from credentials.access import addresses, gate
from credentials.access.reasons import Reason
from credentials.models import AuditEvent, Client, Organization
from credentials.models.audit_event import AuditEventQuerySet
from credentials.trail import audit
from portal.words import meanings

# Nobody reads more rows than this; the audit trail has all of them.
ROWS_AT_MOST = 100

_CALLS = (audit.Action.REQUEST_REFUSED, audit.Action.TOKEN_REFUSED)
_NOT_LISTED = Reason.ADDRESS_NOT_ALLOWED


@dataclass(frozen=True, slots=True)
class RefusedGroup:
    """Refused calls of one client, for one reason, from one IP address."""

    client: Client
    reason: str  # as recorded: a Reason, unless another version wrote it
    address: str | None  # None: several
    calls: int
    last_at: dt.datetime

    @property
    def could_be_listed(self) -> bool:
        """Whether only the IP address was refused, and it can be added to the client's IP allow list."""
        return (
            self.reason == _NOT_LISTED
            and self.address is not None
            and self.client.revoked_at is None
            and not addresses.problem(self.address, allows_loopback=gate.allows_loopback(self.client.organization))
        )


def since(organization: Organization, moment: dt.datetime) -> list[RefusedGroup]:
    """Return the refused calls since then, newest first."""
    grouped = (
        _events(organization, moment)
        .exclude(client=None)
        .values("client", "address", reason=KT("detail__reason"))
        .annotate(calls=_number(), last_at=Max("occurred_at"))
        .order_by("-last_at", "client", "address", "reason")[:ROWS_AT_MOST]
    )
    clients = Client.objects.for_organization(organization).select_related("organization").in_bulk()
    return [
        RefusedGroup(
            client=clients[int(row["client"])],
            reason=row["reason"] or "",
            address=row["address"],
            calls=row["calls"],
            last_at=row["last_at"],
        )
        for row in grouped
    ]


def by_reason(calls: Sequence[RefusedGroup]) -> list[tuple[meanings.Meaning, list[RefusedGroup]]]:
    """Group the calls by reason. Those that an IP allow list entry would fix come first."""
    found: dict[str, list[RefusedGroup]] = {}
    for each in sorted(calls, key=lambda each: each.reason != _NOT_LISTED):
        found.setdefault(each.reason, []).append(each)
    return [(meanings.of_reason(reason), rows) for reason, rows in found.items()]


def count_since(organization: Organization, moment: dt.datetime) -> int:
    """Return how many calls were refused since then."""
    return _events(organization, moment).aggregate(calls=_number())["calls"] or 0


def _events(organization: Organization, moment: dt.datetime) -> AuditEventQuerySet:
    return AuditEvent.objects.for_organization(organization).filter(
        action__in=_CALLS, outcome=AuditEvent.Outcome.DENIED, occurred_at__gte=moment
    )


def _number() -> Sum:
    """An event counts as one call or, if it has `more`, as that many."""
    return Sum(Coalesce(Cast(KT("detail__more"), IntegerField()), 1))
