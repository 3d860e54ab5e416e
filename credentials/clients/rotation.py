"""A new secret for an old one, with or without a time in which both open the door."""

import datetime as dt

from django.db import models, transaction
from django.db.models.functions import Least
from django.http import HttpRequest
from django.utils import timezone

from credentials import notices
from credentials.clients import issuing, revocation
from credentials.models import SECRETS_AT_MOST, Client, User
from credentials.trail import audit


class Overlap(models.IntegerChoices):
    """For how many hours the old secret lives on beside the new one."""

    NONE = 0, "End the old secret now"
    DAY = 24, "24 hours"
    THREE_DAYS = 72, "72 hours"

    @property
    def length(self) -> dt.timedelta:
        return dt.timedelta(hours=self.value)


@transaction.atomic
def rotate_secret(client: Client, *, overlap: Overlap, by: User | None, request: HttpRequest | None = None) -> str:
    """A new secret. The old one ends after `overlap`; with none, every older one ends at once, and so do their tokens.

    Raises TwoSecretsError when there are two already and none of them shall end now, and ClientRevokedError.
    """
    client = Client.objects.locked(client)
    now = timezone.now()
    live = client.secrets.live()
    before = revocation.described(live)
    if overlap == Overlap.NONE:
        revocation.end_secrets(live, now)
    elif len(before) == SECRETS_AT_MOST:
        raise issuing.TwoSecretsError(client)
    else:
        live.update(replaced_at=now, expires_at=Least("expires_at", now + overlap.length))
    secret, row = issuing.write_secret(client, by=by)
    event = audit.record(
        audit.Action.SECRET_ROTATED,
        organization=client.organization,
        user=by,
        client=client,
        request=request,
        hint=row.hint,
        overlap_hours=overlap.value,
        before=before,
        after=revocation.described(client.secrets.live()),
    )
    notices.announce(
        notices.Kind.SECRET_ROTATED,
        client,
        event=event,
        hint=row.hint,
        overlap_hours=overlap.value,
        before=[{"hint": secret["hint"]} for secret in before],
    )
    return secret


@transaction.atomic
def end_overlap(client: Client, *, by: User | None, request: HttpRequest | None = None) -> bool:
    """End the old secret before its time. False when there is no overlap."""
    replaced = client.secrets.live().exclude(replaced_at=None).first()
    return replaced is not None and revocation.revoke_secret(replaced, by=by, request=request)
