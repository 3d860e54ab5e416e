"""How an assertion is refused: what the client is told, and what the audit trail."""

from credentials.models import AccessToken, AuditEvent, SpentAssertion
from credentials.trail.audit import Action


def refusals() -> list[str]:
    """Why tokens were refused, as the audit trail tells Harbor."""
    events = AuditEvent.objects.filter(action=Action.TOKEN_REFUSED, organization__entity_id="A9994").order_by("id")
    return [event.detail["reason"] for event in events]


def assert_unproven(answer, reason: str | None) -> None:
    """Refused without a word about why; the delegate, however, can read it, if a client was named."""
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client"}
    assert not AccessToken.objects.exists()
    assert not SpentAssertion.objects.exists()
    assert refusals() == ([reason] if reason else [])


def assert_told(answer, reason: str, words: str) -> None:
    """Refused after the signature was verified: the client is told the reason."""
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert words in answer.json()["error_description"]
    assert not AccessToken.objects.exists()
    assert refusals() == [reason]
