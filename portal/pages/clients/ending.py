"""Revokes secrets and clients and removes team members, on request with their running exports: all or nothing."""

from django.db import transaction

from credentials.actor import Actor
from credentials.clients import revocation
from credentials.models import Client, ClientSecret, Membership
from credentials.people import team
from exports import kickoff
from exports.models import Job, JobQuerySet


def running_exports(client: Client) -> JobQuerySet:
    """Return the client's exports that are still running."""
    return Job.objects.for_organization(client.organization).filter(client=client).unfinished()


@transaction.atomic
def revoke_secret(secret: ClientSecret, *, cancels_exports: bool, by: Actor) -> int | None:
    """Return how many exports were cancelled; None if the secret was no longer valid, so nothing changed."""
    if not revocation.revoke_secret(secret, by=by):
        return None
    return _cancel_exports(secret.client, by=by) if cancels_exports else 0


@transaction.atomic
def revoke_client(client: Client, *, cancels_exports: bool, by: Actor) -> int | None:
    """Return how many exports were cancelled; None if the client was already revoked, so nothing changed."""
    if not revocation.revoke_client(client, by=by):
        return None
    return _cancel_exports(client, by=by) if cancels_exports else 0


@transaction.atomic
def remove_member(membership: Membership, *, revoke: bool, cancels_exports: bool, by: Actor) -> int:
    """Return how many exports of revoked clients were cancelled. Raises TeamRefusedError."""
    made = team.remove(membership, revoke=revoke, by=by)
    if not (revoke and cancels_exports):
        return 0
    return sum(_cancel_exports(client, by=by) for client in made.clients)


def _cancel_exports(client: Client, *, by: Actor) -> int:
    running = running_exports(client).select_related("organization")
    return sum(kickoff.cancel(job, by=by) for job in running)
