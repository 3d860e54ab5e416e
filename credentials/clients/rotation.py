"""Replaces a secret with a new one, with or without a time in which both work."""

import datetime as dt

from django.db import models, transaction
from django.db.models.functions import Least
from django.utils import timezone

from credentials import notices
from credentials.actor import Actor
from credentials.clients import issuing, revocation
from credentials.models import SECRETS_AT_MOST, Client
from credentials.trail import audit


class Overlap(models.IntegerChoices):
    """For how many hours the old secret works beside the new one."""

    NONE = 0, "Revoke the old secret now"
    DAY = 24, "24 hours"
    THREE_DAYS = 72, "72 hours"

    @property
    def length(self) -> dt.timedelta:
        return dt.timedelta(hours=self.value)


@transaction.atomic
def rotate_secret(client: Client, *, overlap: Overlap, by: Actor) -> str:
    """Return a new secret. The old one ends after `overlap`. Without one, every older secret and its tokens end now.

    Raises ClientRevokedError, and TwoSecretsError if there are already two secrets and neither ends now.
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
        by,
        organization=client.organization,
        client=client,
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
