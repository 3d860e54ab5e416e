"""Why something was refused, in plain words, and what to do about it."""

from dataclasses import dataclass
from typing import assert_never

from credentials.access.reasons import Reason


@dataclass(frozen=True, slots=True)
class Meaning:
    """Why a call was refused, and what to do about it."""

    text: str
    remedy: str


_MAKE_A_NEW_ASSERTION = (
    "Ask your system’s developer. Each token request needs a new assertion that is valid for at most 5 minutes."
)


def of_reason(code: str) -> Meaning:
    """Return what a reason code means. A code that this version doesn't know is shown as it is."""
    reason = known(code)
    if reason is None:
        return Meaning(f"{code.replace('_', ' ').strip().capitalize() or 'The reason wasn’t recorded'}.", "")
    return _meaning(reason)


def known(code: str) -> Reason | None:
    try:
        return Reason(code)
    except ValueError:
        return None


def _meaning(reason: Reason) -> Meaning:  # noqa: C901, PLR0911, PLR0912, PLR0915  # a table; mypy says which row is missing
    match reason:
        case Reason.ADDRESS_NOT_ALLOWED:
            return Meaning(
                "The client called from an IP address that isn’t on its IP allow list.",
                "If this IP address belongs to your system or its vendor, add it to the list. "
                "If nobody recognizes it, rotate the secret.",
            )
        case Reason.ALGORITHM_NOT_ALLOWED:
            return Meaning(
                "The assertion was signed with the wrong algorithm.", "Use RS384 for RSA keys and ES384 for P-384 keys."
            )
        case Reason.ALREADY_INVITED:
            return Meaning(
                "This email address already has an open invitation.",
                "Send that invitation again, or withdraw it first.",
            )
        case Reason.ALREADY_MEMBER:
            return Meaning("A team member already has this email address.", "To give them another role, change it.")
        case Reason.ASSERTION_AUDIENCE:
            return Meaning(
                "The assertion was made for another recipient (aud).",
                "Set the claim aud to the URL of the token endpoint.",
            )
        case Reason.ASSERTION_EXPIRED:
            return Meaning("The assertion had expired.", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_LONG_LIVED:
            return Meaning("The assertion was valid for more than 5 minutes.", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_MALFORMED:
            return Meaning("The assertion wasn’t a JSON Web Token that we accept.", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_NOT_YET_VALID:
            return Meaning("The assertion wasn’t valid yet.", "Check the clock of the machine your system runs on.")
        case Reason.ASSERTION_REPLAYED:
            return Meaning("The assertion was used before.", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_SUBJECT:
            return Meaning("The assertion named another client.", "Set the claims iss and sub to the client ID.")
        case Reason.ASSERTION_TIMES:
            return Meaning("The assertion had no expiration time (exp).", _MAKE_A_NEW_ASSERTION)
        case Reason.ASSERTION_WITHOUT_JTI:
            return Meaning("The assertion had no unique ID (jti).", _MAKE_A_NEW_ASSERTION)
        case Reason.CLIENT_REVOKED:
            return Meaning(
                "The client is revoked.",
                "A system still uses it. Give that system another client, or turn it off.",
            )
        case Reason.CLIENT_UNKNOWN:
            return Meaning(
                "The client ID doesn’t exist.",
                "Compare the client ID in your system with the one on the client’s page.",
            )
        case Reason.EMAIL_NOT_VALID:
            return Meaning("The email address wasn’t valid.", "Enter one like name@organization.org.")
        case Reason.IMPORTED_SECRET_NOT_TRIED:
            return Meaning(
                "The client called from an IP address that isn’t on its IP allow list. Its secret came from the "
                "SSAS and hasn’t been used here yet, so it wasn’t checked.",
                "If this IP address belongs to your system or its vendor, add it to the list and call again. "
                "If not, rotate the secret.",
            )
        case Reason.INSUFFICIENT_SCOPE:
            return Meaning(
                "The access token doesn’t cover these resource types.",
                "Request an access token with a scope that covers them.",
            )
        case Reason.INVALID_CLIENT:
            return Meaning(
                "The client secret was wrong.",
                "Compare the last 4 characters of the secret in your system with those on the client’s page.",
            )
        case Reason.INVALID_OPERATOR_TOKEN:
            return Meaning(
                "The operator token was unknown, expired or revoked.",
                "Give the system a valid token, or create a new one.",
            )
        case Reason.INVITATION_ACCEPTED:
            return Meaning(
                "The link was already used.", "If the user who joined doesn’t know about this, remove that team member."
            )
        case Reason.INVITATION_ANOTHER_PERSON:
            return Meaning(
                "The link was opened by a user who signs in with a different email address.",
                "If that user should join, send an invitation to the email address they sign in with.",
            )
        case Reason.INVITATION_EXPIRED:
            return Meaning("The invitation had expired.", "Send it again.")
        case Reason.INVITATION_OVER:
            return Meaning(
                "The invitation was already accepted or withdrawn.", "If that was a mistake, send a new invitation."
            )
        case Reason.INVITATION_REPLACED:
            return Meaning("The link was from an earlier email.", "Use the link in the newest email.")
        case Reason.INVITATION_ROLE_GONE:
            return Meaning("Your program no longer has this role.", "Withdraw the invitation and send a new one.")
        case Reason.INVITATION_UNKNOWN:
            return Meaning(
                "The link isn’t valid.", "Send the invitation again. Only the link in the newest email works."
            )
        case Reason.INVITATION_WITHDRAWN:
            return Meaning("The invitation was withdrawn.", "If that was a mistake, send a new invitation.")
        case Reason.KEY_REFUSED:
            return Meaning("The key is too weak.", "Create a new key pair and add its public key.")
        case Reason.KEY_REVOKED:
            return Meaning("The key is revoked.", "Configure your system to use a valid key.")
        case Reason.KEY_SET_NOT_REGISTERED:
            return Meaning(
                "The key set URL (jku) isn’t the one on the client’s page.", "Use the same URL in both places."
            )
        case Reason.KEY_SET_UNAVAILABLE:
            return Meaning(
                "We couldn’t fetch the keys from the key set URL.",
                "Test the URL on the client’s keys page to see what’s wrong.",
            )
        case Reason.KEY_UNKNOWN:
            return Meaning(
                "The key isn’t registered for this client.",
                "Add the public key, or publish it at the client’s key set URL.",
            )
        case Reason.LAST_MANAGER:
            return Meaning(
                "Nobody else manages API credentials for your organization.",
                "Invite another team member first, or ask the Claimsgate operators.",
            )
        case Reason.MEMBER_GONE:
            return Meaning("The user was no longer a team member.", "Nothing more is needed.")
        case Reason.NOT_MANAGING:
            return Meaning(
                "The user no longer manages API credentials for your organization.",
                "If they should, ask a team member who does to change their role.",
            )
        case Reason.ORGANIZATION_DENIED:
            return Meaning(
                "Your organization is denied access to claims.", "Ask the Claimsgate operators for the reason."
            )
        case Reason.ORGANIZATION_WITHOUT_PROGRAM:
            return Meaning(
                "Your organization’s entity ID doesn’t belong to its program.",
                "Ask the Claimsgate operators to correct the entity ID or the program.",
            )
        case Reason.OWN_ROLE:
            return Meaning("Users can’t change their own role.", "Ask another team member who manages API credentials.")
        case Reason.ROLE_UNKNOWN:
            return Meaning("The program doesn’t have that role.", "Choose one of the program’s roles.")
        case Reason.SECRET_EXPIRED:
            return Meaning("The client secret had expired.", "Rotate the secret and add the new one to your system.")
        case Reason.SECRET_REPLACED:
            return Meaning(
                "The client used the old secret after it expired.",
                "Add the new secret to your system. If you no longer have it, rotate again.",
            )
        case Reason.SECRET_REVOKED:
            return Meaning("The client secret is revoked.", "Add a valid secret to your system, or rotate the secret.")
        case Reason.SIGNATURE_WRONG:
            return Meaning(
                "The signature doesn’t match the key.", "Ask your system’s developer which private key it uses."
            )
        case Reason.SWITCHED_OFF:
            return Meaning("The account is turned off.", "Ask the Claimsgate operators for the reason.")
        case Reason.TOKEN_REVOKED:
            return Meaning(
                "The access token is no longer valid.",
                "Most systems request a new one automatically. If yours doesn’t, restart it.",
            )
        case Reason.TOO_MANY_CALLS:
            return Meaning(
                "The client called too often.",
                "Ask your system’s developer to reuse the access token and to wait as long as Retry-After says.",
            )
        case Reason.TOO_MANY_INVITATIONS:
            return Meaning(
                "Your organization sent too many invitations in a short time.", "Wait a few minutes and try again."
            )
        case Reason.TOO_MANY_TRIES:
            return Meaning(
                "There were too many attempts.",
                "Wait 5 minutes and try again. If it wasn’t you, change your password.",
            )
        case Reason.WRONG_CODE:
            return Meaning(
                "The code was wrong or already used.",
                "Wait for the next code and try again. If it wasn’t you, change your password.",
            )
        case Reason.WRONG_PASSWORD:
            return Meaning(
                "The password was wrong.",
                "Try again, or reset your password. If it wasn’t you, tell the Claimsgate operators.",
            )
        case _:
            assert_never(reason)
