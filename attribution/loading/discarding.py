"""Discards previewed rosters that nobody wants to publish. Their rows are deleted."""

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from attribution.loading import turns
from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.isolation import isolated
from credentials.trail import audit


class CannotDiscardError(ValueError):
    """The roster can't be discarded. The message says why."""


@transaction.atomic
def discard(roster: RosterFile, *, by: Actor) -> None:
    """Discard a previewed roster. Raises CannotDiscardError."""
    turns.wait_to_change(roster.organization)
    found = RosterFile.objects.select_for_update(of=("self",), no_key=True).get(pk=roster.pk)
    if found.status != RosterFile.Status.PREVIEWED:
        raise CannotDiscardError(f"This roster was already {found.get_status_display().lower()}.")
    found.status = RosterFile.Status.DISCARDED
    found.discarded_at = Now()
    found.discarded_by = by.user
    found.save(update_fields=["status", "discarded_at", "discarded_by"])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM attribution_rosterentry WHERE roster_id = %s", [found.pk])
    audit.record(
        audit.Action.ROSTER_DISCARDED,
        by,
        organization=found.organization,
        roster=found.pk,
        file_name=found.file_name,
    )
    roster.refresh_from_db()


def discard_old_previews(*, by: Actor) -> None:
    """Discard what was previewed so long ago that nobody will publish it."""
    old = RosterFile.objects.filter(
        status=RosterFile.Status.PREVIEWED, received_at__lt=timezone.now() - settings.ROSTER_PREVIEW_LIFETIME
    )
    for roster_id in list(old.order_by("pk").values_list("pk", flat=True)):
        with isolated("The old preview of roster", roster_id):
            discard(RosterFile.objects.select_related("organization").get(pk=roster_id), by=by)
