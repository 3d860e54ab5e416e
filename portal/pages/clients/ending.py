"""Ends secrets, clients and memberships and, if a person asks for it, the running exports: all or nothing."""

from django.db import transaction
from django.http import HttpRequest

from credentials.clients import revocation
from credentials.models import Client, ClientSecret, Membership, User
from credentials.people import team
from exports import kickoff
from exports.models import Job, JobQuerySet


def running_exports(client: Client) -> JobQuerySet:
    """The exports that a client has started and that are not finished."""
    return Job.objects.for_organization(client.organization).filter(client=client).unfinished()


@transaction.atomic
def revoke_secret(secret: ClientSecret, *, cancels_exports: bool, by: User, request: HttpRequest) -> int | None:
    """How many exports were cancelled with it; None, and nothing has changed, when the secret had ended before."""
    if not revocation.revoke_secret(secret, by=by, request=request):
        return None
    return _cancel_exports(secret.client, by=by, request=request) if cancels_exports else 0


@transaction.atomic
def revoke_client(client: Client, *, cancels_exports: bool, by: User, request: HttpRequest) -> int | None:
    """How many exports were cancelled with it; None, and nothing has changed, when the client had been revoked."""
    if not revocation.revoke_client(client, by=by, request=request):
        return None
    return _cancel_exports(client, by=by, request=request) if cancels_exports else 0


@transaction.atomic
def remove_member(
    membership: Membership, *, revoke: bool, cancels_exports: bool, by: User, request: HttpRequest
) -> int:
    """How many exports were cancelled with it: those of the clients that were revoked. Raises TeamRefusedError."""
    made = team.remove(membership, revoke=revoke, by=by, request=request)
    if not (revoke and cancels_exports):
        return 0
    return sum(_cancel_exports(client, by=by, request=request) for client in made.clients)


def _cancel_exports(client: Client, *, by: User, request: HttpRequest) -> int:
    running = running_exports(client).select_related("organization")
    return sum(kickoff.cancel(job, by=by, request=request) for job in running)
