"""The audit trail: all audited actions, and the one way to record them."""

import datetime as dt
import enum
from typing import Any

from django.db import transaction

from credentials.actor import Actor
from credentials.models import AuditEvent, Client, Membership, Organization, User


class Action(enum.StrEnum):
    """Every recorded action, in alphabetical order. A value never changes its meaning."""

    ADDRESSES_CHANGED = "addresses.changed"
    CLIENT_CREATED = "client.created"
    CLIENT_IMPORTED = "client.imported"
    CLIENT_REVOKED = "client.revoked"
    EXPORT_CANCELLED = "export.cancelled"
    EXPORT_DOWNLOADED = "export.downloaded"
    EXPORT_STARTED = "export.started"
    EXPORT_WITHDRAWN = "export.withdrawn"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_REFUSED = "invitation.refused"
    INVITATION_SENT = "invitation.sent"
    INVITATION_SENT_AGAIN = "invitation.sent_again"
    INVITATION_WITHDRAWN = "invitation.withdrawn"
    KEY_ADDED = "key.added"
    KEY_REVOKED = "key.revoked"
    KEY_SET_URL_CHANGED = "key_set_url.changed"
    MEMBER_REMOVED = "member.removed"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    OPERATOR_TOKEN_CREATED = "operator_token.created"  # noqa: S105  # the name of an act
    OPERATOR_TOKEN_REVOKED = "operator_token.revoked"  # noqa: S105  # the name of an act
    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_EXCEPTIONS_CHANGED = "organization.exceptions_changed"
    ORGANIZATION_PROGRAM_CHANGED = "organization.program_changed"
    ORGANIZATION_REVOKED = "organization.revoked"
    ORGANIZATION_STATE_CHANGED = "organization.state_changed"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105  # the name of an act
    PERSON_CHANGED = "person.changed"
    PERSON_CREATED = "person.created"
    PREFERENCE_RECORDED = "preference.recorded"
    PREFERENCES_LOADED = "preferences.loaded"
    PREFERENCES_REFUSED = "preferences.refused"
    PREFERENCES_REVERTED = "preferences.reverted"
    RECOVERY_CODES_MADE = "recovery_codes.made"
    REQUEST_REFUSED = "request.refused"
    ROSTER_APPROVAL_ASKED = "roster.approval_asked"
    ROSTER_DISCARDED = "roster.discarded"
    ROSTER_PREVIEWED = "roster.previewed"
    ROSTER_PUBLISHED = "roster.published"
    ROSTER_REFUSED = "roster.refused"
    ROSTER_ROLLED_BACK = "roster.rolled_back"
    SECRET_CREATED = "secret.created"  # noqa: S105  # the name of an act
    SECRET_REHASHED = "secret.rehashed"  # noqa: S105  # the name of an act
    SECRET_REVOKED = "secret.revoked"  # noqa: S105  # the name of an act
    SECRET_ROTATED = "secret.rotated"  # noqa: S105  # the name of an act
    SECOND_FACTOR_ADDED = "second_factor.added"
    SECOND_FACTOR_REMOVED = "second_factor.removed"
    SESSIONS_ENDED = "sessions.ended"
    SIGNED_IN = "signed_in"
    SIGN_IN_LINKED = "sign_in.linked"
    SIGN_IN_REFUSED = "sign_in.refused"
    TEAM_CHANGE_REFUSED = "team.change_refused"
    TOKEN_ISSUED = "token.issued"  # noqa: S105  # the name of an act
    TOKEN_REFUSED = "token.refused"  # noqa: S105  # the name of an act
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  # the name of an act


# Actions that did not take place.
DENIALS = frozenset(
    {
        Action.INVITATION_REFUSED,
        Action.PREFERENCES_REFUSED,
        Action.REQUEST_REFUSED,
        Action.ROSTER_REFUSED,
        Action.SIGN_IN_REFUSED,
        Action.TEAM_CHANGE_REFUSED,
        Action.TOKEN_REFUSED,
    }
)

# The type beside the text of a time (AuditEvent.types): a name can look like a time, too.
_TIME = "time"


def record(
    action: Action,
    by: Actor,
    /,
    *,
    organization: Organization | None,
    client: Client | None = None,
    **detail: Any,
) -> AuditEvent:
    """Write an event. Call it inside the transaction of the action, so that neither exists without the other.

    `client` is the one that the event is about, if that isn't the actor itself. `detail` is JSON that can also have
    times. It has no secret and no MBI. For a change it has `before` and `after`.
    """
    types: dict[str, str] = {}
    if by.command:
        detail = {**detail, "command": by.command}
    plain = _plain(detail, "", types)
    return AuditEvent.objects.create(
        action=action,
        outcome=AuditEvent.Outcome.DENIED if action in DENIALS else AuditEvent.Outcome.DONE,
        organization=organization,
        user=by.user,
        client=client or by.client,
        address=by.address,
        request_id=by.request_id,
        detail=plain,
        types=types,
    )


def detail_of(event: AuditEvent) -> dict[str, Any]:
    """Return the details of an event as they were given: times are times again, and every other text is text.

    Older events have no types. Their times are not guessed.
    """
    detail: dict[str, Any] = _typed(event.detail, "", event.types)
    return detail


@transaction.atomic
def record_about_person(action: Action, person: User, by: Actor, /, **detail: Any) -> None:
    """Record an action on a user's account: once for each organization of the user, or once without any."""
    organizations: list[Organization | None] = [each.organization for each in Membership.objects.of_user(person)]
    for organization in organizations or [None]:
        record(action, by, organization=organization, **detail)


def _plain(value: Any, place: str, types: dict[str, str]) -> Any:
    """Return a value as JSON; adds the place of each time in it (RFC 6901) to `types`."""
    if isinstance(value, dt.datetime):
        types[place] = _TIME
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dict):
        return {name: _plain(each, _within(place, name), types) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, _within(place, number), types) for number, each in enumerate(value)]
    return value


def _typed(value: Any, place: str, types: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _typed(each, _within(place, name), types) for name, each in value.items()}
    if isinstance(value, list):
        return [_typed(each, _within(place, number), types) for number, each in enumerate(value)]
    return dt.datetime.fromisoformat(value) if types.get(place) == _TIME else value


def _within(place: str, name: str | int) -> str:
    return f"{place}/{str(name).replace('~', '~0').replace('/', '~1')}"
