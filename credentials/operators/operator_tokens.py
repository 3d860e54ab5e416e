"""Functions for operator tokens: create one, find its operator, revoke it."""

import datetime as dt
from typing import cast

from django.db import transaction
from django.utils import timezone

from credentials import lifetimes, secret_text
from credentials.actor import Actor
from credentials.models import OperatorToken, User
from credentials.trail import audit

# The precision of a token's last use, so that not every call writes.
USE_IS_NOTED_EVERY = dt.timedelta(minutes=1)


@transaction.atomic
def create_token(*, name: str, by: Actor) -> str:
    """Return a new token for the operator who acts, valid for 90 days. Only its digest is stored."""
    token = secret_text.new(secret_text.Prefix.OPERATOR_TOKEN)
    now = timezone.now()
    made = OperatorToken.objects.create(
        user=cast("User", by.user),
        name=name,
        digest=secret_text.digest(token),
        hint=secret_text.hint(token),
        created_at=now,
        expires_at=now + lifetimes.OPERATOR_TOKEN,
    )
    audit.record(
        audit.Action.OPERATOR_TOKEN_CREATED,
        by,
        organization=None,
        name=name,
        hint=made.hint,
        expires_at=made.expires_at.replace(microsecond=0),
    )
    return token


@transaction.atomic
def revoke_token(token: OperatorToken, *, by: Actor) -> bool:
    """Revoke a token from the next call on. Return False if it was already revoked."""
    if not OperatorToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    audit.record(audit.Action.OPERATOR_TOKEN_REVOKED, by, organization=None, name=token.name, hint=token.hint)
    return True


def found(text: str) -> OperatorToken | None:
    """Return the live token for `text`, and record its use; None for anything else."""
    token = OperatorToken.objects.live().select_related("user").filter(digest=secret_text.digest(text)).first()
    now = timezone.now()
    if token and (token.last_used_at is None or token.last_used_at < now - USE_IS_NOTED_EVERY):
        OperatorToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token
