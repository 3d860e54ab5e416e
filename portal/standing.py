"""How things stand, in words: of a client, a roster, an export, and of an organization as a whole."""

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from attribution.models import RosterFile
from credentials.models import Client, ClientSecret, Organization
from exports.models import Job

EXPIRES_SOON = dt.timedelta(days=14)
ROSTER_IS_OLD = dt.timedelta(days=45)  # rosters come every month


class Tone(enum.StrEnum):
    """What a status means for whoever reads it; the page gives each a mark and a colour."""

    BAD = "bad"
    BUSY = "busy"
    GOOD = "good"
    QUIET = "quiet"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Status:
    text: str
    tone: Tone


def newest_secret(client: Client) -> ClientSecret | None:
    """The secret that lasts longest, live or not; `secrets` should be prefetched."""
    kept = [secret for secret in client.secrets.all() if secret.revoked_at is None]
    return max(kept, key=lambda secret: secret.expires_at, default=None)


def of_client(client: Client, now: dt.datetime | None = None) -> Status:
    now = now or timezone.now()
    if client.revoked_at is not None:
        return Status("Revoked", Tone.QUIET)
    secret = newest_secret(client)
    if secret is None:
        return Status("No secret", Tone.BAD)
    if secret.expires_at <= now:
        return Status("Secret expired", Tone.BAD)
    if secret.expires_at <= now + EXPIRES_SOON:
        return Status("Expires soon", Tone.WARNING)
    return Status("Active", Tone.GOOD)


def of_roster(roster: RosterFile) -> Status:
    if roster.status == RosterFile.Status.PUBLISHED:
        return Status("Published", Tone.GOOD)
    return Status("Refused", Tone.BAD)


TONE_OF_JOB = {
    Job.Status.PENDING: Tone.BUSY,
    Job.Status.IN_PROGRESS: Tone.BUSY,
    Job.Status.COMPLETED: Tone.GOOD,
    Job.Status.FAILED: Tone.BAD,
    Job.Status.CANCELLED: Tone.QUIET,
    Job.Status.EXPIRED: Tone.QUIET,
}


def of_job(job: Job) -> Status:
    status = Job.Status.EXPIRED if job.has_expired else Job.Status(job.status)
    return Status(str(status.label), TONE_OF_JOB[status])


# --- An organization ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do before claims can be fetched, or again from time to time."""

    title: str
    detail: str
    page: str  # the name of the URL where it is done
    action: str
    is_done: bool
    manages_credentials: bool = False  # whether only those may do it who manage credentials


@dataclass(frozen=True, slots=True)
class Standing:
    """What an organization has, and what it should do next."""

    organization: Organization
    clients: Sequence[Client]  # not revoked, with their secrets
    roster: RosterFile | None
    job: Job | None
    has_exported: bool

    @property
    def status(self) -> Status:
        """One status for everything: the worst that is the case."""
        if self.organization.status == Organization.Status.DENIED:
            return Status("Access denied", Tone.BAD)
        if not self.clients or self.roster is None:
            return Status("Setup needed", Tone.WARNING)
        if self.credentials.tone != Tone.GOOD:
            return self.credentials
        if self.attribution.tone != Tone.GOOD:
            return self.attribution
        return Status("Ready", Tone.GOOD)

    @property
    def credentials(self) -> Status:
        worst = self.first_to_expire
        return of_client(worst) if worst else Status("No credentials", Tone.WARNING)

    @property
    def attribution(self) -> Status:
        if self.roster is None:
            return Status("No roster", Tone.WARNING)
        if self.roster.file_timestamp + ROSTER_IS_OLD < timezone.now():
            return Status("Roster is old", Tone.WARNING)
        return Status("Published", Tone.GOOD)

    @property
    def exports(self) -> Status:
        return of_job(self.job) if self.job else Status("No export", Tone.QUIET)

    @property
    def first_to_expire(self) -> Client | None:
        """The client whose secret ends first, or has ended."""
        return min(self.clients, key=_expiry, default=None)

    @property
    def soonest_expiry(self) -> dt.datetime | None:
        secret = newest_secret(self.first_to_expire) if self.first_to_expire else None
        return secret.expires_at if secret else None

    @property
    def steps(self) -> list[Step]:
        return [self._credentials_step(), self._roster_step(), self._export_step()]

    @property
    def next_step(self) -> Step | None:
        return next((step for step in self.steps if not step.is_done), None)

    def _credentials_step(self) -> Step:
        count = len(self.clients)
        if not count:
            return Step(
                title="Create a client",
                detail="A client ID and a secret, with which your system signs in to the API.",
                page="portal:client-create",
                action="Create a client",
                is_done=False,
                manages_credentials=True,
            )
        if self.credentials.tone == Tone.GOOD:
            return Step(
                title="Create a client",
                detail="1 client can sign in." if count == 1 else f"{count} clients can sign in.",
                page="portal:clients",
                action="See the clients",
                is_done=True,
            )
        return Step(
            title="Replace a secret that expires",
            detail="Create a new client, move your system to it, then revoke the old one.",
            page="portal:clients",
            action="See the clients",
            is_done=False,
        )

    def _roster_step(self) -> Step:
        if self.roster is None:
            return Step(
                title="Load a roster",
                detail="The roster from CMS says whose claims you may export.",
                page="portal:roster-upload",
                action="Load a roster",
                is_done=False,
            )
        if self.attribution.tone == Tone.GOOD:
            return Step(
                title="Load a roster",
                detail=f"{self.roster.beneficiary_count:,} people are attributed to you.",
                page="portal:rosters",
                action="See the roster",
                is_done=True,
            )
        age = (timezone.now() - self.roster.file_timestamp).days
        return Step(
            title="Load this month’s roster",
            detail=f"CMS made the current one {age} days ago. People may have joined or left since.",
            page="portal:roster-upload",
            action="Load a roster",
            is_done=False,
        )

    def _export_step(self) -> Step:
        if self.has_exported:
            return Step(
                title="Run an export",
                detail="Come back for what has changed since the last one, or let a client fetch it.",
                page="portal:exports",
                action="See the exports",
                is_done=True,
            )
        return Step(
            title="Run your first export",
            detail="Here in the browser, or by a client through the API.",
            page="portal:export-start",
            action="Start an export",
            is_done=False,
        )


def of_organizations(organizations: Sequence[Organization]) -> dict[int, Standing]:
    """The standing of each organization by its primary key, in a fixed number of queries."""
    clients = Client.objects.filter(organization__in=organizations).live().prefetch_related("secrets")
    rosters = RosterFile.objects.filter(organization__in=organizations, kind=RosterFile.Kind.CURRENT).published()
    jobs = Job.objects.filter(organization__in=organizations)
    exported = set(jobs.with_files().values_list("organization_id", flat=True).distinct())
    roster_of = {roster.organization_id: roster for roster in rosters.newest_of_each_organization()}
    job_of = {job.organization_id: job for job in jobs.newest_of_each_organization()}
    clients_of: dict[int, list[Client]] = {}
    for client in clients:
        clients_of.setdefault(client.organization_id, []).append(client)
    return {
        organization.pk: Standing(
            organization=organization,
            clients=clients_of.get(organization.pk, []),
            roster=roster_of.get(organization.pk),
            job=job_of.get(organization.pk),
            has_exported=organization.pk in exported,
        )
        for organization in organizations
    }


def _expiry(client: Client) -> dt.datetime:
    secret = newest_secret(client)
    return secret.expires_at if secret else dt.datetime.min.replace(tzinfo=dt.UTC)
