"""The audit trail in plain words: what was done, what changed, why a call was refused."""

import datetime as dt
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from credentials.audit import Action, detail_of
from credentials.models import AuditEvent
from portal.times import utc

logger = logging.getLogger(__name__)

TITLES: dict[str, str] = {
    Action.ADDRESSES_CHANGED: "Addresses of a client changed",
    Action.CLIENT_CREATED: "Client created",
    Action.CLIENT_IMPORTED: "Client taken over from the SSAS",
    Action.CLIENT_REVOKED: "Client revoked",
    Action.EXPORT_CANCELLED: "Export cancelled",
    Action.EXPORT_DOWNLOADED: "File of an export downloaded",
    Action.EXPORT_STARTED: "Export started",
    Action.INVITATION_ACCEPTED: "Invitation accepted: a person joined",
    Action.INVITATION_REFUSED: "Invitation refused",
    Action.INVITATION_SENT: "Person invited",
    Action.INVITATION_SENT_AGAIN: "Invitation sent again",
    Action.INVITATION_WITHDRAWN: "Invitation withdrawn",
    Action.KEY_ADDED: "Public key added",
    Action.KEY_REVOKED: "Public key revoked",
    Action.KEY_SET_URL_CHANGED: "Key set URL changed",
    Action.MEMBER_REMOVED: "Member removed",
    Action.MEMBER_ROLE_CHANGED: "Role of a member changed",
    Action.OPERATOR_TOKEN_CREATED: "Operator token made",
    Action.OPERATOR_TOKEN_REVOKED: "Operator token revoked",
    Action.ORGANIZATION_CREATED: "Organization created",
    Action.ORGANIZATION_REVOKED: "All credentials of the organization revoked",
    Action.ORGANIZATION_STATE_CHANGED: "Access of the organization changed",
    Action.PASSWORD_CHANGED: "Password set or changed",
    Action.PERSON_CHANGED: "Account of a person changed",
    Action.PERSON_CREATED: "Account of a person made",
    Action.RECOVERY_CODES_MADE: "New recovery codes made",
    Action.REQUEST_REFUSED: "Call of the API refused",
    Action.ROSTER_PUBLISHED: "Roster published",
    Action.ROSTER_REFUSED: "Roster refused",
    Action.SECRET_CREATED: "Secret made",
    Action.SECRET_REHASHED: "Imported secret used for the first time",
    Action.SECRET_REVOKED: "Secret revoked",
    Action.SECRET_ROTATED: "Secret rotated",
    Action.SECOND_FACTOR_ADDED: "Second step of signing in set up",
    Action.SECOND_FACTOR_REMOVED: "Second step of signing in removed",
    Action.SESSIONS_ENDED: "Signed out",
    Action.SIGNED_IN: "Signed in",
    Action.SIGN_IN_LINKED: "Identity provider linked to a person",
    Action.SIGN_IN_REFUSED: "Sign-in refused",
    Action.TEAM_CHANGE_REFUSED: "Change of the team refused",
    Action.TOKEN_ISSUED: "Access token given",
    Action.TOKEN_REFUSED: "Access token refused",
    Action.TOKEN_REVOKED: "Access token ended",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """Why a call was refused, and what to do about it."""

    text: str
    remedy: str


_MAKE_A_NEW_ASSERTION = "Ask the system’s developer: each request needs a new assertion that is valid for minutes."
_REASONS: dict[str, Meaning] = {
    "address_not_allowed": Meaning(
        "It called from an address that is not on its list.",
        "If it is the address of your system or its vendor, put it on the list. If nobody knows it, rotate the secret.",
    ),
    "algorithm_not_allowed": Meaning(
        "It signed in a way that its key is not for.",
        "RSA keys sign by RS384, keys on P-384 by ES384.",
    ),
    "assertion_audience": Meaning(
        "Its assertion was made for somebody else (aud).", "The claim aud has to be the address of the token endpoint."
    ),
    "assertion_expired": Meaning("Its assertion had expired.", _MAKE_A_NEW_ASSERTION),
    "assertion_long_lived": Meaning("Its assertion was valid for more than 5 minutes.", _MAKE_A_NEW_ASSERTION),
    "assertion_malformed": Meaning("Its assertion was no JSON Web Token that we take.", _MAKE_A_NEW_ASSERTION),
    "assertion_not_yet_valid": Meaning(
        "Its assertion was not valid yet.", "Look at the clock of the machine that it runs on."
    ),
    "assertion_replayed": Meaning("Its assertion had been used before.", _MAKE_A_NEW_ASSERTION),
    "assertion_subject": Meaning(
        "Its assertion named another client.", "The claims iss and sub both have to be the client ID."
    ),
    "assertion_times": Meaning("Its assertion had no time at which it expires (exp).", _MAKE_A_NEW_ASSERTION),
    "assertion_without_jti": Meaning("Its assertion had no name of its own (jti).", _MAKE_A_NEW_ASSERTION),
    "client_revoked": Meaning(
        "The client is revoked.",
        "Some system still calls with it: give that system another client, or turn it off.",
    ),
    "insufficient_scope": Meaning(
        "Its token was asked for with a smaller scope.",
        "Ask for a token whose scope covers these resource types.",
    ),
    "invalid_client": Meaning(
        "The secret was wrong.", "Compare the last four characters of the secret in your system with those on its page."
    ),
    "invitation_accepted": Meaning(
        "Its link was used before.", "If the person who has joined does not know of this, remove that person."
    ),
    "invitation_another_person": Meaning(
        "Its link was opened by somebody who is signed in with another address.",
        "If that person is to join, invite the address that the person signs in with.",
    ),
    "invitation_expired": Meaning("Its time was over.", "Send it again."),
    "invitation_replaced": Meaning("It was sent again since, and the former link was used.", "The newest mail counts."),
    "invitation_role_gone": Meaning("Its role is none of your program any more.", "Withdraw it and invite anew."),
    "invitation_withdrawn": Meaning("It had been withdrawn.", "Invite the person again, if that was a mistake."),
    "key_refused": Meaning("It signed with a key that is too weak.", "Make a new pair, and add its public key."),
    "key_revoked": Meaning("It signed with a key that is revoked.", "Give the system the key that took its place."),
    "key_set_not_registered": Meaning(
        "It named a URL for its keys (jku) that is not the one on its page.", "Compare the two."
    ),
    "key_set_unavailable": Meaning(
        "The URL with its public keys did not answer.", "Try the URL on the page of its keys: it says what is wrong."
    ),
    "key_unknown": Meaning(
        "It signed with a key that we do not know.", "Add the public key, or publish it at the client’s key set URL."
    ),
    "organization_denied": Meaning(
        "Your organization was denied access to claims.", "Ask the operators of Claimsgate for the reason."
    ),
    "secret_expired": Meaning("Its secret had expired.", "Rotate the secret, and give the new one to the system."),
    "secret_replaced": Meaning(
        "It used the old secret, whose time was over.", "Give the system the new secret; if that is lost, rotate again."
    ),
    "secret_revoked": Meaning(
        "It used a secret that is revoked.", "Give the system the secret that is valid, or rotate it."
    ),
    "signature_wrong": Meaning(
        "It signed with another key than it said.", "Ask the system’s developer which private key it uses."
    ),
    "token_revoked": Meaning(
        "It used an access token that was ended.", "It asks for a new one by itself; if not, start the system anew."
    ),
    "too_many_calls": Meaning(
        "It called too often.", "Ask the system’s developer to keep its access token, and to wait as Retry-After says."
    ),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the trail knows of an event."""

    label: str
    text: str


def title_of(action: str) -> str:
    return TITLES.get(action) or _in_words(action)


def of_reason(code: str) -> Meaning:
    """What the code of a refusal means."""
    return _REASONS.get(code) or Meaning(f"{_in_words(code) or 'The reason was not kept'}.", "")


def facts_of(event: AuditEvent) -> list[Fact]:
    """The details of an event: what has changed, why it was refused, and the rest by name."""
    try:
        return _facts(detail_of(event))
    except Exception:
        # An event that cannot be put into words must not hide the others on its page, nor itself.
        logger.exception("Event %s of the audit trail is shown as it stands.", event.pk)
        return [Fact("Details", json.dumps(event.detail, ensure_ascii=False))]


def _facts(detail: dict[str, Any]) -> list[Fact]:
    before, after = detail.pop("before", None), detail.pop("after", None)
    if isinstance(before, dict) and isinstance(after, dict):
        # Of two states, what is the same in both has not changed.
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
    """A secret by its end; anything else name by name."""
    if value.keys() == {"hint", "expires_at"}:
        return f"…{value['hint']} until {_text(value['expires_at'])}"
    return "; ".join(f"{_in_words(name).lower()}: {_text(each)}" for name, each in value.items())


def _in_words(code: str) -> str:
    return code.replace("_", " ").replace(".", " ").strip().capitalize()


def _overlap(hours: int) -> str:
    return f"the old secret lives on for {hours} hours" if hours else "none: the old secret ended at once"


def _secret(hint: str) -> str:
    return f"…{hint}"


def _reason(value: Any) -> str:
    """A code of ours in words; what an operator wrote as it was written."""
    return _REASONS[value].text if value in _REASONS else str(value)


def _more(count: int) -> str:
    return f"{count:,} more of the same within a minute"


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
    "since": ("Changed since", _text),
}
