"""Activity in plain words: what was done, what changed, and why a call was refused."""

import datetime as dt
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

from credentials.models import AuditEvent
from credentials.trail.audit import Action, detail_of
from portal.words import meanings
from portal.words.times import utc

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fact:
    """One detail of an event: a label and its text."""

    label: str
    text: str


def title_of(action: str) -> str:
    """Return the title of an action. An action that this version doesn't know is shown as its code."""
    try:
        act = Action(action)
    except ValueError:
        return _in_words(action)
    return _title(act)


def facts_of(event: AuditEvent) -> list[Fact]:
    """Return the details of an event: first what changed, then the reason, then the rest sorted by label."""
    try:
        return _facts(detail_of(event))
    except Exception:
        # An event that can't be worded must not hide itself or the other events on the page.
        logger.exception("Audit event %s can't be worded and is shown as JSON.", event.pk)
        return [Fact("Details", json.dumps(event.detail, ensure_ascii=False))]


def _facts(detail: dict[str, Any]) -> list[Fact]:
    before, after = detail.pop("before", None), detail.pop("after", None)
    if isinstance(before, dict) and isinstance(after, dict):
        # Values that are the same in both states haven't changed.
        same = {name for name in before if before[name] == after.get(name)}
        before, after = (
            {name: value for name, value in state.items() if name not in same} for state in (before, after)
        )
    changed = [
        Fact(label, _text(value)) for label, value in (("Before", before), ("After", after)) if value is not None
    ]
    reason = [_fact("reason", detail.pop("reason"))] if "reason" in detail else []
    told = [_fact(name, value) for name, value in detail.items() if value not in (None, "", [])]
    return [*changed, *reason, *sorted(told, key=lambda fact: fact.label)]


def _title(act: Action) -> str:  # noqa: C901, PLR0911, PLR0912, PLR0915  # a table; mypy says which row is missing
    match act:
        case Action.ADDRESSES_CHANGED:
            return "IP allow list changed"
        case Action.CLIENT_CREATED:
            return "Client created"
        case Action.CLIENT_IMPORTED:
            return "Client imported from the SSAS"
        case Action.CLIENT_REVOKED:
            return "Client revoked"
        case Action.EXPORT_CANCELLED:
            return "Export cancelled"
        case Action.EXPORT_DOWNLOADED:
            return "Export file downloaded"
        case Action.EXPORT_STARTED:
            return "Export started"
        case Action.EXPORT_WITHDRAWN:
            return "Export withdrawn"
        case Action.INVITATION_ACCEPTED:
            return "Invitation accepted"
        case Action.INVITATION_REFUSED:
            return "Invitation refused"
        case Action.INVITATION_SENT:
            return "Invitation sent"
        case Action.INVITATION_SENT_AGAIN:
            return "Invitation sent again"
        case Action.INVITATION_WITHDRAWN:
            return "Invitation withdrawn"
        case Action.KEY_ADDED:
            return "Public key added"
        case Action.KEY_REVOKED:
            return "Public key revoked"
        case Action.KEY_SET_URL_CHANGED:
            return "Key set URL changed"
        case Action.MEMBER_REMOVED:
            return "Team member removed"
        case Action.MEMBER_ROLE_CHANGED:
            return "Role of a team member changed"
        case Action.OPERATOR_TOKEN_CREATED:
            return "Operator token created"
        case Action.OPERATOR_TOKEN_REVOKED:
            return "Operator token revoked"
        case Action.ORGANIZATION_CREATED:
            return "Organization created"
        case Action.ORGANIZATION_EXCEPTIONS_CHANGED:
            return "Organization’s exceptions from its program changed"
        case Action.ORGANIZATION_PROGRAM_CHANGED:
            return "Organization’s program or entity ID changed"
        case Action.ORGANIZATION_REVOKED:
            return "All credentials of the organization revoked"
        case Action.ORGANIZATION_STATE_CHANGED:
            return "Organization’s access changed"
        case Action.PASSWORD_CHANGED:
            return "Password set or changed"
        case Action.PERSON_CHANGED:
            return "User account changed"
        case Action.PERSON_CREATED:
            return "User account created"
        case Action.PREFERENCE_RECORDED:
            return "Preference about data sharing recorded"
        case Action.PREFERENCES_LOADED:
            return "Preference file loaded"
        case Action.PREFERENCES_REFUSED:
            return "Preference file refused"
        case Action.PREFERENCES_REVERTED:
            return "Preferences reverted"
        case Action.RECOVERY_CODES_MADE:
            return "New recovery codes created"
        case Action.REQUEST_REFUSED:
            return "API call refused"
        case Action.ROSTER_APPROVAL_ASKED:
            return "Approval requested for a roster"
        case Action.ROSTER_DISCARDED:
            return "Roster discarded"
        case Action.ROSTER_PREVIEWED:
            return "Roster checked"
        case Action.ROSTER_PUBLISHED:
            return "Roster published"
        case Action.ROSTER_REFUSED:
            return "Roster refused"
        case Action.ROSTER_ROLLED_BACK:
            return "Roster rolled back"
        case Action.SECRET_CREATED:
            return "Secret created"
        case Action.SECRET_REHASHED:
            return "Imported secret used for the first time"
        case Action.SECRET_REVOKED:
            return "Secret revoked"
        case Action.SECRET_ROTATED:
            return "Secret rotated"
        case Action.SECOND_FACTOR_ADDED:
            return "Two-factor authentication set up"
        case Action.SECOND_FACTOR_REMOVED:
            return "Two-factor authentication removed"
        case Action.SESSIONS_ENDED:
            return "Signed out"
        case Action.SIGNED_IN:
            return "Signed in"
        case Action.SIGN_IN_LINKED:
            return "Identity provider linked to a user"
        case Action.SIGN_IN_REFUSED:
            return "Sign-in refused"
        case Action.TEAM_CHANGE_REFUSED:
            return "Team change refused"
        case Action.TOKEN_ISSUED:
            return "Access token issued"
        case Action.TOKEN_REFUSED:
            return "Access token refused"
        case Action.TOKEN_REVOKED:
            return "Access token revoked"
        case _:
            assert_never(act)


def _fact(name: str, value: Any) -> Fact:
    label, text = _LABELS.get(name, (_in_words(name), _text))
    return Fact(label, text(value))


def _text(value: Any) -> str:
    if value in (None, "", [], {}):
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, dt.datetime):
        return utc(value)
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return _state(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:,}"


def _state(value: dict[str, Any]) -> str:
    """Return a secret as its last characters and expiry; anything else as “name: value” pairs."""
    if value.keys() == {"hint", "expires_at"}:
        return f"…{value['hint']} until {_text(value['expires_at'])}"
    return "; ".join(f"{_in_words(name).lower()}: {_text(each)}" for name, each in value.items())


def _in_words(code: str) -> str:
    return code.replace("_", " ").replace(".", " ").strip().capitalize()


def _overlap(hours: int) -> str:
    return f"the old secret stays valid for {hours} hours" if hours else "none: the old secret was revoked immediately"


def _secret(hint: str) -> str:
    return f"…{hint}"


def _reason(value: Any) -> str:
    """Return a reason code in words. Text that an operator wrote is returned unchanged."""
    return meanings.of_reason(value).text if isinstance(value, str) and meanings.known(value) else str(value)


def _more(count: int) -> str:
    return f"{count:,} more like this within 1 minute"


def _export(number: Any) -> str:
    return str(number)


_LABELS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "hint": ("Secret", _secret),
    "job": ("Export", _export),
    "kid": ("Key ID", str),
    "more": ("Calls", _more),
    "overlap_hours": ("Overlap", _overlap),
    "reason": ("Reason", _reason),
    "roster": ("Roster", _export),
    "roster_in_force": ("Roster in force", _export),
    "since": ("Changed since", _text),
}
