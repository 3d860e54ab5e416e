"""Why something was refused, in plain words, and what to do about it."""

from dataclasses import dataclass
from typing import assert_never

from credentials.access.reasons import Reason


@dataclass(frozen=True, slots=True)
class Meaning:
    """Why a call was refused, and what to do about it."""

    text: str
    remedy: str


_MAKE_A_NEW_ASSERTION = "Ask the system’s developer: each request needs a new assertion that is valid for minutes."


def of_reason(code: str) -> Meaning:
    """What a reason of the audit trail means. One that this version does not know, old or new, is shown as it is."""
    reason = known(code)
    if reason is None:
        return Meaning(f"{code.replace('_', ' ').strip().capitalize() or 'The reason was not kept'}.", "")
    return _meaning(reason)


def known(code: str) -> Reason | None:
    try:
        return Reason(code)
    except ValueError:
        return None


def _meaning(reason: Reason) -> Meaning:  # noqa: C901, PLR0911, PLR0912  # a table; mypy says which row is missing
    match reason:
        case Reason.ADDRESS_NOT_ALLOWED:
            return Meaning(
                "It called from an address that is not on its list.",
                "If it is the address of your system or its vendor, put it on the list. "
                "If nobody knows it, rotate the secret.",
            )
        case Reason.ALGORITHM_NOT_ALLOWED:
            return Meaning(
                "It signed in a way that its key is not for.", "RSA keys sign by RS384, keys on P-384 by ES384."
            )
        case Reason.ASSERTION_AUDIENCE:
            return Meaning(
                "Its assertion was made for somebody else (aud).",
                "The claim aud has to be the address of the token endpoint.",
            )
        case Reason.ASSERTION_EXPIRED:
            return Meaning("Its assertion had expired.", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_LONG_LIVED:
            return Meaning("Its assertion was valid for more than 5 minutes.", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_MALFORMED:
            return Meaning("Its assertion was no JSON Web Token that we take.", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_NOT_YET_VALID:
            return Meaning("Its assertion was not valid yet.", "Look at the clock of the machine that it runs on.")
        case Reason.ASSERTION_REPLAYED:
            return Meaning("Its assertion had been used before.", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_SUBJECT:
            return Meaning(
                "Its assertion named another client.", "The claims iss and sub both have to be the client ID."
            )
        case Reason.ASSERTION_TIMES:
            return Meaning("Its assertion had no time at which it expires (exp).", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_WITHOUT_JTI:
            return Meaning("Its assertion had no name of its own (jti).", _MAKE_A_NEW_ASSERTION)
        case Reason.CLIENT_REVOKED:
            return Meaning(
                "The client is revoked.",
                "Some system still calls with it: give that system another client, or turn it off.",
            )
        case Reason.CLIENT_UNKNOWN:
            return Meaning(
                "It named a client that does not exist.",
                "Compare the client ID in your system with the one on the client’s page.",
            )
        case Reason.IMPORTED_SECRET_NOT_TRIED:
            return Meaning(
                "It has a secret of the SSAS that was not used here yet, and called from an address that is not on its "
                "list, so the secret was not checked.",
                "If it is the address of your system or its vendor, put it on the list and let the system call again. "
                "Or rotate the secret.",
            )
        case Reason.INSUFFICIENT_SCOPE:
            return Meaning(
                "Its token was asked for with a smaller scope.",
                "Ask for a token whose scope covers these resource types.",
            )
        case Reason.INVALID_CLIENT:
            return Meaning(
                "The secret was wrong.",
                "Compare the last four characters of the secret in your system with those on its page.",
            )
        case Reason.INVALID_OPERATOR_TOKEN:
            return Meaning(
                "The operator token was unknown, expired or revoked.",
                "Give the system a token that is valid, or make a new one.",
            )
        case Reason.INVITATION_ACCEPTED:
            return Meaning(
                "Its link was used before.", "If the person who has joined does not know of this, remove that person."
            )
        case Reason.INVITATION_ANOTHER_PERSON:
            return Meaning(
                "Its link was opened by somebody who is signed in with another address.",
                "If that person is to join, invite the address that the person signs in with.",
            )
        case Reason.INVITATION_EXPIRED:
            return Meaning("Its time was over.", "Send it again.")
        case Reason.INVITATION_OVER:
            return Meaning("It had been accepted or withdrawn.", "Invite the person again, if that was a mistake.")
        case Reason.INVITATION_REPLACED:
            return Meaning("It was sent again since, and the former link was used.", "The newest mail counts.")
        case Reason.INVITATION_ROLE_GONE:
            return Meaning("Its role is none of your program any more.", "Withdraw it and invite anew.")
        case Reason.INVITATION_UNKNOWN:
            return Meaning(
                "Its link was none of ours.", "Send the invitation again, and have the person open the newest mail."
            )
        case Reason.INVITATION_WITHDRAWN:
            return Meaning("It had been withdrawn.", "Invite the person again, if that was a mistake.")
        case Reason.KEY_REFUSED:
            return Meaning("It signed with a key that is too weak.", "Make a new pair, and add its public key.")
        case Reason.KEY_REVOKED:
            return Meaning("It signed with a key that is revoked.", "Give the system the key that took its place.")
        case Reason.KEY_SET_NOT_REGISTERED:
            return Meaning("It named a URL for its keys (jku) that is not the one on its page.", "Compare the two.")
        case Reason.KEY_SET_UNAVAILABLE:
            return Meaning(
                "The URL with its public keys did not answer.",
                "Try the URL on the page of its keys: it says what is wrong.",
            )
        case Reason.KEY_UNKNOWN:
            return Meaning(
                "It signed with a key that we do not know.",
                "Add the public key, or publish it at the client’s key set URL.",
            )
        case Reason.ORGANIZATION_DENIED:
            return Meaning(
                "Your organization was denied access to claims.", "Ask the operators of Claimsgate for the reason."
            )
        case Reason.SECRET_EXPIRED:
            return Meaning("Its secret had expired.", "Rotate the secret, and give the new one to the system.")
        case Reason.SECRET_REPLACED:
            return Meaning(
                "It used the old secret, whose time was over.",
                "Give the system the new secret; if that is lost, rotate again.",
            )
        case Reason.SECRET_REVOKED:
            return Meaning(
                "It used a secret that is revoked.", "Give the system the secret that is valid, or rotate it."
            )
        case Reason.SIGNATURE_WRONG:
            return Meaning(
                "It signed with another key than it said.", "Ask the system’s developer which private key it uses."
            )
        case Reason.SWITCHED_OFF:
            return Meaning("The account is turned off.", "Ask the operators of Claimsgate for the reason.")
        case Reason.TOKEN_REVOKED:
            return Meaning(
                "It used an access token that was ended.",
                "It asks for a new one by itself; if not, start the system anew.",
            )
        case Reason.TOO_MANY_CALLS:
            return Meaning(
                "It called too often.",
                "Ask the system’s developer to keep its access token, and to wait as Retry-After says.",
            )
        case Reason.TOO_MANY_TRIES:
            return Meaning(
                "There were too many tries.",
                "Wait five minutes and try again. If it was not you, change your password.",
            )
        case Reason.WRONG_CODE:
            return Meaning(
                "The code was wrong, or it was used before.",
                "Wait for the next one and try again. If it was not you, change your password.",
            )
        case Reason.WRONG_PASSWORD:
            return Meaning(
                "The password was wrong.",
                "Try again, or have a new one set by mail. If it was not you, tell the operators of Claimsgate.",
            )
        case _:
            assert_never(reason)
