"""The status, in words, of a client, an export, and of an organization as a whole."""

import datetime as dt
import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from django.urls import reverse
from django.utils import timezone

from attribution import cohorts, staleness
from attribution.models import RosterFile
from credentials import lifetimes
from credentials.access import gate
from credentials.models import Client, ClientKey, ClientKeySet, ClientSecret, Invitation, Organization
from exports.models import Job
from portal.words.times import day, distance

# What `of_client` reads. Prefetch these when there are many clients.
OF_CLIENTS = ("secrets", "keys", "key_sets")
ROSTER_IS_OLD = dt.timedelta(days=45)  # rosters come every month


class Tone(enum.StrEnum):
    """How a status should look. The page gives each tone an icon and a color."""

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
    """Return the secret that expires last, expired or not. None if all are revoked or there are none."""
    kept = [secret for secret in client.secrets.all() if secret.revoked_at is None]
    return max(kept, key=lambda secret: secret.expires_at, default=None)


def replaced_secret(client: Client) -> ClientSecret | None:
    """Return the old secret that is still valid after a rotation, or None."""
    return next((secret for secret in client.secrets.all() if secret.is_live and secret.replaced_at), None)


DENIED = Status("Access denied", Tone.BAD)


def of_client(client: Client, *, is_denied: bool) -> Status:
    """`is_denied`: the client's organization is denied access, so the client can't sign in even with a valid secret."""
    match client.state:
        case Client.State.REVOKED:
            return Status("Revoked", Tone.QUIET)
        case _ if is_denied:
            return DENIED
        case Client.State.EXPIRED:
            return Status("Secret expired" if newest_secret(client) else "No secret", Tone.BAD)
        case Client.State.EXPIRING:
            return Status("Expires soon", Tone.WARNING)
        case Client.State.ACTIVE:
            return Status("Active", Tone.GOOD)


def of_secret(secret: ClientSecret, *, is_denied: bool) -> Status:
    if secret.revoked_at is not None:
        return Status("Revoked", Tone.QUIET)
    if not secret.is_live:
        return Status("Replaced", Tone.QUIET) if secret.replaced_at else Status("Expired", Tone.BAD)
    if is_denied:
        return DENIED
    if secret.replaced_at is not None:
        return Status("Being replaced", Tone.WARNING)
    if secret.expires_at <= timezone.now() + lifetimes.EXPIRES_SOON:
        return Status("Expires soon", Tone.WARNING)
    return Status("Valid", Tone.GOOD)


def of_key(key: ClientKey | ClientKeySet, *, is_denied: bool) -> Status:
    if key.revoked_at is not None:
        return Status("Revoked", Tone.QUIET)
    return DENIED if is_denied else Status("Valid", Tone.GOOD)


def of_invitation(invitation: Invitation) -> Status:
    if invitation.has_expired:
        return Status("Expired", Tone.WARNING)
    if invitation.sent_at:
        return Status("Sent", Tone.GOOD)
    return Status("Not sent", Tone.BAD) if invitation.last_error else Status("Sending", Tone.BUSY)


def of_job(job: Job) -> Status:
    if job.status not in Job.Status:  # from a newer version or a mistake: still show it and the others
        return Status(job.status, Tone.WARNING)
    if job.withdrawn_at:
        return Status("Withdrawn", Tone.QUIET)
    status = Job.Status.EXPIRED if job.has_expired else Job.Status(job.status)
    return Status(str(status.label), _tone(status))


def _tone(status: Job.Status) -> Tone:
    match status:
        case Job.Status.PENDING | Job.Status.IN_PROGRESS:
            return Tone.BUSY
        case Job.Status.COMPLETED:
            return Tone.GOOD
        case Job.Status.FAILED:
            return Tone.BAD
        case Job.Status.CANCELLED | Job.Status.EXPIRED:
            return Tone.QUIET
        case _:
            assert_never(status)


# --- What a limited organization may have ---------------------------------------------------------------------------


def limits(organization: Organization) -> list[str]:
    """Return what a limited organization can export, in sentences. Empty for any other organization."""
    if organization.status != Organization.Status.LIMITED:
        return []
    ended, bounds = day(organization.termination_date), organization.bounds()
    said = [f"{organization.name}’s participation ended on {ended}. You can only export limited data."]
    if bounds.attribution_until:
        said.append(f"Attributed beneficiaries: those on the newest roster that CMS created on or before {ended}.")
    else:
        said.append("Attributed beneficiaries: those on the newest roster.")
    if bounds.claims_through_date:
        said.append(f"Claims: services on or before {ended}.")
    else:
        said.append("Claims: all services, including later ones.")
    return said


def roster_wanted(organization: Organization) -> str:
    """Return which roster to load when there is none that an export can use."""
    if until := organization.bounds().attribution_until:
        return (
            f"Load a roster that CMS created on or before {day(until)}, when participation ended. "
            "Exports can’t use later ones."
        )
    newest = cohorts.current_roster(organization)
    if newest and (problem := staleness.problem(newest, organization, timezone.now())):
        return f"The newest roster is of {day(newest.file_timestamp)}. {problem} Load this month’s roster."
    return "Load this month’s roster first."


# --- An organization ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """A task before claims can be exported, some of them recurring."""

    title: str
    detail: str
    url: str  # where it is done
    action: str
    is_done: bool
    manages_credentials: bool = False  # whether it takes a role that manages API credentials


@dataclass(frozen=True, slots=True)
class Concern:
    """A problem, or one that will come up unless someone acts."""

    text: str
    url: str
    action: str
    tone: Tone = Tone.WARNING


@dataclass(frozen=True, slots=True)
class Standing:
    """What an organization has set up, and what it should do next."""

    organization: Organization
    clients: Sequence[Client]  # not revoked; with their secrets and keys
    roster: RosterFile | None
    beneficiary_count: int  # whose claims an export would have now
    job: Job | None
    has_exported: bool

    @property
    def status(self) -> Status:
        """Return one status for the organization: the worst one."""
        if self.is_denied:
            return DENIED
        if not self.clients or self.roster is None:
            return Status("Setup needed", Tone.WARNING)
        if self.credentials.tone != Tone.GOOD:
            return self.credentials
        if self.attribution.tone != Tone.GOOD:
            return self.attribution
        if self.organization.status == Organization.Status.LIMITED:
            return Status(f"Limited since {day(self.organization.termination_date)}", Tone.WARNING)
        return Status("Ready", Tone.GOOD)

    @property
    def is_denied(self) -> bool:
        return gate.organization_refusal(self.organization) is not None

    @property
    def credentials(self) -> Status:
        worst = self.first_to_expire
        return of_client(worst, is_denied=self.is_denied) if worst else Status("No credentials", Tone.WARNING)

    @property
    def attribution(self) -> Status:
        if self.roster is None:
            return Status("No roster", Tone.WARNING)
        # A limited organization can't have a newer one.
        is_bounded = self.organization.bounds().attribution_until is not None
        if self.roster.file_timestamp + ROSTER_IS_OLD < timezone.now() and not is_bounded:
            return Status("Roster is old", Tone.WARNING)
        return Status("Published", Tone.GOOD)

    @property
    def exports(self) -> Status:
        return of_job(self.job) if self.job else Status("No export", Tone.QUIET)

    @property
    def first_to_expire(self) -> Client | None:
        """Return the client whose secret expires first or has expired. Clients with a key come last."""
        return min(self.clients, key=_expiry, default=None)

    @property
    def soonest_expiry(self) -> dt.datetime | None:
        client = self.first_to_expire
        secret = newest_secret(client) if client and not client.has_key else None
        return secret.expires_at if secret else None

    @property
    def concerns(self) -> list[Concern]:
        """Return what needs attention in the API credentials, worst first."""
        found = [concern for client in self.clients for concern in self._concerns_of(client)]
        return sorted(found, key=lambda concern: concern.tone != Tone.BAD)

    @property
    def steps(self) -> list[Step]:
        return [self._credentials_step(), self._roster_step(), self._export_step()]

    @property
    def next_step(self) -> Step | None:
        return next((step for step in self.steps if not step.is_done), None)

    def _concerns_of(self, client: Client) -> Iterator[Concern]:
        secret, old, now = newest_secret(client), replaced_secret(client), timezone.now()
        if client.state == Client.State.EXPIRED:
            why = f"its secret expired {distance(secret.expires_at)}" if secret else "it has no secret and no key"
            yield self._to_rotate(client, f"{client.name} can’t sign in: {why}.", Tone.BAD)
            return
        if client.state == Client.State.EXPIRING and secret:
            yield self._to_rotate(client, f"The secret for {client.name} expires {distance(secret.expires_at)}.")
        if old and old.expires_at <= now + lifetimes.OVERLAP_ENDS_SOON:
            is_used = old.last_used_at is not None and old.last_used_at > (old.replaced_at or now)
            used = (
                f", and it was used {distance(old.last_used_at)}. Add the new secret to its system" if is_used else ""
            )
            yield self._to_see(client, f"The old secret for {client.name} expires {distance(old.expires_at)}{used}.")
        if client.last_used_at is None and client.created < now - lifetimes.UNUSED_NEW_CLIENT:
            yield self._to_see(client, f"{client.name} has never been used. If no system needs it, revoke it.")
        elif client.last_used_at and client.last_used_at < now - lifetimes.UNUSED_CLIENT:
            last = distance(client.last_used_at)
            yield self._to_see(client, f"{client.name} was last used {last}. If no system needs it, revoke it.")

    def _to_rotate(self, client: Client, text: str, tone: Tone = Tone.WARNING) -> Concern:
        return Concern(text, self._page("portal:client-rotate", client.client_id), "Rotate secret", tone)

    def _to_see(self, client: Client, text: str) -> Concern:
        return Concern(text, self._page("portal:client", client.client_id), "View client")

    def _page(self, name: str, *arguments: str) -> str:
        return reverse(name, args=[self.organization.entity_id, *arguments])

    def _credentials_step(self) -> Step:
        count = len(self.clients)
        if not count:
            return Step(
                title="Create a client",
                detail="Your system signs in to the API with a client ID and a client secret.",
                url=self._page("portal:client-create"),
                action="Create client",
                is_done=False,
                manages_credentials=True,
            )
        if self.credentials.tone == Tone.GOOD:
            return Step(
                title="Create a client",
                detail="1 client can sign in." if count == 1 else f"{count} clients can sign in.",
                url=self._page("portal:clients"),
                action="View clients",
                is_done=True,
            )
        ends_first = self.first_to_expire or self.clients[0]
        return Step(
            title="Rotate a secret that expires",
            detail="You can keep the old secret valid while you switch your system to the new one.",
            url=self._page("portal:client-rotate", ends_first.client_id)
            if ends_first
            else self._page("portal:clients"),
            action="Rotate secret",
            is_done=False,
            manages_credentials=True,
        )

    def _roster_step(self) -> Step:
        if self.roster is None:
            return Step(
                title="Load a roster",
                detail=f"The roster from CMS decides whose claims you can export. {roster_wanted(self.organization)}",
                url=self._page("portal:roster-upload"),
                action="Load roster",
                is_done=False,
            )
        if self.attribution.tone == Tone.GOOD:
            count = self.beneficiary_count
            return Step(
                title="Load a roster",
                detail=f"You have {count:,} attributed {'beneficiary' if count == 1 else 'beneficiaries'}.",
                url=self._page("portal:rosters"),
                action="View rosters",
                is_done=True,
            )
        age = (timezone.now() - self.roster.file_timestamp).days
        return Step(
            title="Load this month’s roster",
            detail=f"CMS created the current roster {age} days ago. Your beneficiaries may have changed since.",
            url=self._page("portal:roster-upload"),
            action="Load roster",
            is_done=False,
        )

    def _export_step(self) -> Step:
        if self.has_exported:
            return Step(
                title="Start an export",
                detail="Export what changed since your last export, here or through the API.",
                url=self._page("portal:exports"),
                action="View exports",
                is_done=True,
            )
        return Step(
            title="Start your first export",
            detail="Start it here in the browser, or have a client start it through the API.",
            url=self._page("portal:export-start"),
            action="Start export",
            is_done=False,
        )


def of_organizations(organizations: Sequence[Organization]) -> dict[int, Standing]:
    """The standing of each organization by its primary key, in a fixed number of queries."""
    clients = Client.objects.filter(organization__in=organizations).live().prefetch_related(*OF_CLIENTS)
    jobs = Job.objects.filter(organization__in=organizations).select_related("organization")
    exported = set(jobs.with_files().values_list("organization_id", flat=True).distinct())
    roster_of = cohorts.exported_rosters(organizations)
    count_of = cohorts.counts({key: cohorts.on_roster(roster) for key, roster in roster_of.items()})
    job_of = {job.organization_id: job for job in jobs.newest_of_each_organization()}
    clients_of: dict[int, list[Client]] = {}
    for client in clients:
        clients_of.setdefault(client.organization_id, []).append(client)
    return {
        organization.pk: Standing(
            organization=organization,
            clients=clients_of.get(organization.pk, []),
            roster=roster_of.get(organization.pk),
            beneficiary_count=count_of.get(organization.pk, 0),
            job=job_of.get(organization.pk),
            has_exported=organization.pk in exported,
        )
        for organization in organizations
    }


def _expiry(client: Client) -> dt.datetime:
    if client.has_key:
        return dt.datetime.max.replace(tzinfo=dt.UTC)
    secret = newest_secret(client)
    return secret.expires_at if secret else dt.datetime.min.replace(tzinfo=dt.UTC)
