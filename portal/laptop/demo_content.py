"""The data of the demo: two synthetic organizations with users, clients, rosters, and claims."""

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credentials import secret_text
from credentials.actor import Actor
from credentials.clients.issuing import create_client
from credentials.clients.rotation import Overlap, rotate_secret
from credentials.models import Client, Membership, Organization, Role, User
from credentials.programs import REACH, SSP
from exports.intake import sandbox
from exports.intake.sandbox import Size
from portal.sign_in import mail_addresses

YEARS = 3
PEOPLE_EACH = 100
CLIENT_NAME = "Nightly download"
LOOPBACK = ("127.0.0.1", "::1")
OPERATOR = "operator@claimsgate.example"

OnProgress = Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Cast:
    """An organization of the demo, and the team member who manages its API credentials."""

    size: Size
    email: str
    person: str
    role: Role
    requires_second_factor: bool = True


CAST = (
    _Cast(
        Size(
            name="demo-harbor",
            entity_id="A9994",
            organization_name="Harbor Care Alliance",
            program=SSP,
            people=PEOPLE_EACH,
            first_person=0,
            years=YEARS,
        ),
        email="delegate@harbor.example",
        person="Dana Harbor",
        role=Role.CREDENTIAL_DELEGATE,
    ),
    _Cast(
        Size(
            name="demo-mesa",
            entity_id="D9990",
            organization_name="Mesa Health Partners",
            program=REACH,
            people=PEOPLE_EACH,
            first_person=1_000,
            years=YEARS,
        ),
        email="custodian@mesa.example",
        person="Morgan Mesa",
        role=Role.DUA_CUSTODIAN,
        requires_second_factor=False,  # so there is also a quick way to sign in
    ),
)

# Each beneficiary's claims are in two loads.
STEPS = len(CAST) * PEOPLE_EACH * 2


def ensure(facts_path: Path, *, on_progress: OnProgress) -> dict[str, Any]:
    """Create what is missing in the sandbox, and return its API credentials and passwords.

    They are kept in `facts_path`, readable by its owner alone: a secret cannot be told twice otherwise. The shape is
    `{"organizations": [{"entity_id", "client_id", "client_secret"}], "people": [{"email", "password", "who"}]}`.
    `on_progress` is called whenever a person's claims are made, STEPS times if nothing was there yet.
    """
    known = json.loads(facts_path.read_text()) if facts_path.exists() else {"organizations": [], "people": []}
    secrets_known = {entry["client_id"]: entry["client_secret"] for entry in known["organizations"]}
    passwords_known = {entry["email"]: entry["password"] for entry in known["people"]}
    facts: dict[str, Any] = {"organizations": [], "people": []}
    for cast in CAST:
        sandbox.make(cast.size, on_progress=lambda _people: on_progress())
        organization = Organization.objects.get(entity_id=cast.size.entity_id)
        Organization.objects.filter(pk=organization.pk).update(requires_second_factor=cast.requires_second_factor)
        user, person = _person(cast.email, cast.person, f"{cast.role.label}, {organization.name}", passwords_known)
        Membership.objects.get_or_create(organization=organization, user=user, defaults={"role": cast.role})
        facts["people"].append(person)
        facts["organizations"].append(_client(organization, user, secrets_known))
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
    mail_addresses.note_verified(user)
    return user, {"email": email, "password": password, "who": who}


def _client(organization: Organization, user: User, secrets_known: dict[str, str]) -> dict[str, str]:
    """Return the organization's client with a valid secret that is known here."""
    by = Actor.of_command("demo", user)
    client = Client.objects.for_organization(organization).live().filter(name=CLIENT_NAME).first()
    if client is None:
        client, secret = create_client(organization=organization, name=CLIENT_NAME, addresses=LOOPBACK, by=by)
    else:
        secret = secrets_known.get(client.client_id, "")
        if not client.secrets.live().filter(digest=secret_text.digest(secret)).exists():
            secret = rotate_secret(client, overlap=Overlap.NONE, by=by)
    return {"entity_id": organization.entity_id, "client_id": client.client_id, "client_secret": secret}


def _keep(path: Path, facts: dict[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(facts, file, indent=2)
    temporary.replace(path)
