"""Template filters for times, sizes, and statuses in words."""

from collections.abc import Collection

from django import template
from django.template import Context

from attribution.models import RosterFile
from credentials.models import Client, ClientKey, ClientKeySet, ClientSecret, Invitation, Organization
from exports.models import Job
from portal.words import roster_standing, standing
from portal.words.times import count_of, day, distance, duration, exactly, month, utc

KILO = 1000

register = template.Library()


for words in (utc, exactly, day, month, distance, duration):
    register.filter(words)


@register.filter
def thousands(number: int | None) -> str:
    """Return “1,900,000”."""
    return f"{number or 0:,}"


@register.filter
def size(count: int | None) -> str:
    """Return a number of bytes as “512 bytes”, “1.5 MB”, or “22.0 GB”. A kilobyte is 1,000 bytes."""
    amount = float(count or 0)
    if amount < KILO:
        return count_of(int(amount), "byte")
    for unit in ("kB", "MB", "GB"):
        amount /= KILO
        if amount < KILO:
            return f"{amount:.1f} {unit}"
    return f"{amount / KILO:.1f} TB"


@register.filter
def known_as(secret: ClientSecret) -> str:
    """Return “…1a2b”. An imported secret has no characters to show until it is used."""
    return str(secret) if secret.hint else "imported from the SSAS"


@register.filter
def limits(organization: Organization | None) -> list[str]:
    """Return what a limited organization can export, in sentences. Empty for any other organization."""
    return standing.limits(organization) if organization else []


@register.inclusion_tag("components/status.html", takes_context=True)
def status_of(
    context: Context,
    subject: Client | ClientKey | ClientKeySet | ClientSecret | Invitation | Job | RosterFile,
    in_force: Collection[RosterFile] = (),
) -> dict[str, standing.Status]:
    """Show the icon and the words for the status of a client, secret, key, invitation, job, or roster.

    `in_force` are the rosters that a roster can be superseded by. Nothing of a denied organization works. The page
    knows (see portal/pages/scoping.py).
    """
    is_denied = bool(getattr(context.get("request"), "refusal", None))
    match subject:
        case Client():
            return {"status": standing.of_client(subject, is_denied=is_denied)}
        case ClientKey() | ClientKeySet():
            return {"status": standing.of_key(subject, is_denied=is_denied)}
        case ClientSecret():
            return {"status": standing.of_secret(subject, is_denied=is_denied)}
        case Invitation():
            return {"status": standing.of_invitation(subject)}
        case Job():
            return {"status": standing.of_job(subject)}
        case _:
            return {"status": roster_standing.of_roster(subject, in_force)}
