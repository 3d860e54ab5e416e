"""What the demo shows: two synthetic organizations with people, clients, rosters and claims."""

import datetime as dt
import itertools
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from django.utils import timezone

from attribution import cohorts, synthetic
from attribution.loading import load_roster
from attribution.models import RosterFile
from attribution.synthetic import SyntheticPerson
from credentials.issuing import create_client, issue_secret, secret_digest
from credentials.models import Client, Membership, Organization, Program, Role, User
from exports.models import Load
from exports.sandbox import load_synthetic_claims

SEED = 20
YEARS = 3
PEOPLE_EACH = 100
CLIENT_NAME = "Nightly download"
LOOPBACK = ("127.0.0.1", "::1")
OPERATOR = "operator@claimsgate.example"
# The last month comes as a load of its own, so that `_since` has something to tell apart.
RECENT = dt.timedelta(days=31)

OnProgress = Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Cast:
    """One organization of the sandbox, and the person who manages its credentials."""

    entity_id: str
    name: str
    program: Program
    email: str
    person: str
    role: Role
    first_person: int  # where in the endless row of synthetic people its beneficiaries begin


CAST = (
    _Cast(
        "A9994", "Harbor Care Alliance", Program.SSP,
        "delegate@harbor.example", "Dana Harbor", Role.CREDENTIAL_DELEGATE, 0,
    ),
    _Cast(
        "D9990", "Mesa Health Partners", Program.REACH,
        "custodian@mesa.example", "Morgan Mesa", Role.DUA_CUSTODIAN, 1_000,
    ),
)  # fmt: skip


# Each person's claims come in two loads.
STEPS = len(CAST) * PEOPLE_EACH * 2


def ensure(facts_path: Path, *, on_progress: OnProgress) -> dict[str, Any]:
    """Make what is missing of the sandbox, and tell its credentials.

    They are kept in `facts_path`, readable by its owner alone: a secret cannot be told twice otherwise. The shape is
    `{"organizations": [{"entity_id", "client_id", "client_secret"}], "people": [{"email", "password", "who"}]}`.
    `on_progress` is called whenever a person's claims are made, STEPS times if nothing was there yet.
    """
    known = json.loads(facts_path.read_text()) if facts_path.exists() else {"organizations": [], "people": []}
    secrets_known = {entry["client_id"]: entry["client_secret"] for entry in known["organizations"]}
    passwords_known = {entry["email"]: entry["password"] for entry in known["people"]}
    facts: dict[str, Any] = {"organizations": [], "people": []}
    for cast in CAST:
        organization, _ = Organization.objects.get_or_create(
            entity_id=cast.entity_id, defaults={"name": cast.name, "program": cast.program, "is_sandbox": True}
        )
        user, person = _person(cast.email, cast.person, f"{cast.role.label}, {cast.name}", passwords_known)
        Membership.objects.get_or_create(organization=organization, user=user, defaults={"role": cast.role})
        facts["people"].append(person)
        facts["organizations"].append(_client(organization, user, secrets_known))
        people = list(synthetic.people(SEED, PEOPLE_EACH, start=cast.first_person))
        _roster(organization, people, user)
        _claims(organization, people, on_progress=on_progress)
    _operator, person = _person(
        OPERATOR, "Sandbox operator", "operator", passwords_known, is_staff=True, is_superuser=True
    )
    facts["people"].append(person)
    _keep(facts_path, facts)
    return facts


def _person(
    email: str, name: str, who: str, passwords_known: dict[str, str], **rights: bool
) -> tuple[User, dict[str, str]]:
    user = User.objects.filter(email=email).first() or User(email=email, name=name, **rights)
    password = passwords_known.get(email, "")
    if not password or not user.check_password(password):
        password = secrets.token_urlsafe(12)
        user.set_password(password)
        user.save()
    return user, {"email": email, "password": password, "who": who}


def _client(organization: Organization, user: User, secrets_known: dict[str, str]) -> dict[str, str]:
    """The organization's client, with a secret that we know and that is live."""
    client = Client.objects.for_organization(organization).live().filter(name=CLIENT_NAME).first()
    if client is None:
        client, secret = create_client(organization=organization, name=CLIENT_NAME, addresses=LOOPBACK, by=user)
    else:
        secret = secrets_known.get(client.client_id, "")
        if not client.secrets.live().filter(digest=secret_digest(secret)).exists():
            secret = issue_secret(client, by=user)
    return {"entity_id": organization.entity_id, "client_id": client.client_id, "client_secret": secret}


def _roster(organization: Organization, people: list[SyntheticPerson], user: User) -> None:
    if cohorts.current_roster(organization) is not None:
        return
    now = timezone.now()
    kind = RosterFile.Kind.CURRENT
    name = synthetic.cclf_archive_name(organization.entity_id, now.year, now, kind)
    archive = synthetic.cclf_archive(
        people, entity_id=organization.entity_id, performance_year=now.year, timestamp=now, kind=kind
    )
    load_roster(BytesIO(archive), file_name=name, by=user, organization=organization)


def _claims(organization: Organization, people: list[SyntheticPerson], *, on_progress: OnProgress) -> None:
    """Two loads: three years up to a month ago, and the month since then."""
    today = timezone.now().date()
    first_day = dt.date(today.year - YEARS, today.month, 1)
    edges = (first_day, today - RECENT, today)
    sources = (f"sandbox {organization.entity_id}, {YEARS} years", f"sandbox {organization.entity_id}, the last month")
    for source, (start, end) in zip(sources, itertools.pairwise(edges), strict=True):
        if not Load.objects.filter(source=source).exists():
            load_synthetic_claims(
                people,
                seed=SEED,
                start_date=start,
                end_date=end,
                source=source,
                on_progress=on_progress,
            )


def _keep(path: Path, facts: dict[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(facts, file, indent=2)
    temporary.replace(path)
