"""Imports clients from the SSAS with their secrets: all of a file, or none of it."""

import csv
import datetime as dt
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from credentials import lifetimes, strict_json
from credentials.access import gate
from credentials.actor import Actor
from credentials.clients import allow_lists
from credentials.clients.ssas_hashes import NotAHashError, SsasHash
from credentials.models import Client, ClientSecret, Organization
from credentials.strict_json import AmbiguousJsonError
from credentials.trail import audit

FIELDS = ("client_id", "organization", "name", "secret_hash", "expires_at", "addresses")
NAME_LENGTH = 64


class ImportRefusedError(ValueError):
    """The file has errors, and nothing was imported; `problems` are sentences, each with its record."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class SsasClient:
    """A client from the file, validated."""

    client_id: str
    organization: Organization
    name: str
    secret_hash: SsasHash
    expires_at: dt.datetime
    addresses: list[str]


def read(file: IO[str], *, is_csv: bool) -> list[Mapping[str, Any]]:
    """Return the records of a file: CSV with a header line, or a JSON list of objects. Raises ImportRefusedError."""
    if is_csv:
        try:
            return _csv_records(file)
        except csv.Error as error:
            raise ImportRefusedError([f"The file is not valid CSV: {error}."]) from error
    try:
        records = strict_json.read(file.read())
    except AmbiguousJsonError as error:
        raise ImportRefusedError([f"This JSON is ambiguous. {error}"]) from error
    except json.JSONDecodeError as error:
        raise ImportRefusedError(
            [f"The file is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}."]
        ) from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ImportRefusedError([f"The file must be a JSON list of objects with the members {_listed(FIELDS)}."])
    return records


def _csv_records(file: IO[str]) -> list[Mapping[str, Any]]:
    rows = csv.DictReader(file)
    if missing := set(FIELDS) - set(rows.fieldnames or ()):
        raise ImportRefusedError([f"The first line must have the column names. Missing: {_listed(missing)}."])
    names = rows.fieldnames or ()
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ImportRefusedError([f"The first line has a column name twice: {_listed(repeated)}. Remove one."])
    return list(rows)


@transaction.atomic
def import_clients(records: Sequence[Mapping[str, Any]], *, iterations: int | None, by: Actor) -> list[Client]:
    """Create a client for each record. Raises ImportRefusedError with all problems; then there is none."""
    return [_write(given, by=by) for given in checked(records, iterations=iterations)]


def checked(records: Sequence[Mapping[str, Any]], *, iterations: int | None) -> list[SsasClient]:
    """Return the records, validated against each other and the database. Raises ImportRefusedError."""
    problems: list[str] = []
    found: list[SsasClient] = []
    organizations = {organization.entity_id: organization for organization in Organization.objects.all()}
    taken_ids = set(Client.objects.values_list("client_id", flat=True))
    taken_names = set(Client.objects.live().values_list("organization__entity_id", "name"))
    if not records:
        problems.append("The file has no records.")
    for number, record in enumerate(records, start=1):
        try:
            given = _client(record, organizations, iterations=iterations)
        except ImportRefusedError as error:
            problems += [f"Record {number}: {problem}" for problem in error.problems]
            continue
        name = (given.organization.entity_id, given.name)
        if given.client_id in taken_ids:
            problems.append(f"Record {number}: the client ID {given.client_id} already exists. Remove this record.")
        if name in taken_names:
            problems.append(
                f"Record {number}: {name[0]} already has a client named “{given.name}”. Choose another name."
            )
        taken_ids.add(given.client_id)
        taken_names.add(name)
        found.append(given)
    if problems:
        raise ImportRefusedError(problems)
    return found


def _client(
    record: Mapping[str, Any], organizations: Mapping[str, Organization], *, iterations: int | None
) -> SsasClient:
    """Return one record, validated by itself. Raises ImportRefusedError with all its problems."""
    problems: list[str] = []

    def text(field: str) -> str:
        value = record.get(field)
        return value.strip() if isinstance(value, str) else ""

    client_id = _client_id(text("client_id"), problems)
    organization = organizations.get(text("organization"))
    if organization is None:
        problems.append(
            f"organization: there is no organization with the entity ID “{text('organization')}”. Create it first."
        )
    name = text("name")
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        problems.append(f"name: enter a name of 1 to {NAME_LENGTH} characters, without control characters.")
    secret_hash = _secret_hash(text("secret_hash"), iterations, problems)
    expires_at = _expires_at(text("expires_at"), problems)
    addresses = _addresses(record.get("addresses"), organization, problems)
    if problems or organization is None or secret_hash is None or expires_at is None:
        raise ImportRefusedError(problems)
    return SsasClient(client_id, organization, name, secret_hash, expires_at, addresses)


def _client_id(text: str, problems: list[str]) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        problems.append(f"client_id: “{text[:40]}” is not a UUID.")
        return ""


def _secret_hash(text: str, iterations: int | None, problems: list[str]) -> SsasHash | None:
    try:
        return SsasHash.parse(text, iterations=iterations)
    except NotAHashError as error:
        problems.append(f"secret_hash: {error}.")
        return None


def _expires_at(text: str, problems: list[str]) -> dt.datetime | None:
    now = timezone.now()
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        problems.append(f"expires_at: “{text[:40]}” is not a time. Use the format 2027-01-31T12:00:00Z.")
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    if moment <= now:
        problems.append(f"expires_at: the secret expired at {text}. Remove this record, and create a new client here.")
    if moment > now + lifetimes.SECRET:
        problems.append(f"expires_at: {text} is too late. A secret is valid for at most {lifetimes.SECRET.days} days.")
    return moment


def _addresses(given: Any, organization: Organization | None, problems: list[str]) -> list[str]:
    wanted = re.split(r"[\s,;]+", given.strip()) if isinstance(given, str) else given
    if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
        problems.append("addresses: this is not a list of IP addresses. Enter one.")
        return []
    allows_loopback = organization is not None and gate.allows_loopback(organization)
    try:
        return allow_lists.checked_addresses([each for each in wanted if each], allows_loopback=allows_loopback)
    except allow_lists.AddressesRefusedError as error:
        problems += [f"addresses: {reason}" for reason in error.reasons.values()]
        return []


def _write(given: SsasClient, *, by: Actor) -> Client:
    client = Client.objects.create(
        client_id=given.client_id, organization=given.organization, name=given.name, created_by=by.user
    )
    allow_lists.write_addresses(client, given.addresses, by=by)
    ClientSecret.objects.create(
        client=client,
        slot=1,
        digest=None,
        imported_hash=str(given.secret_hash),
        created_by=by.user,
        expires_at=given.expires_at,
    )
    audit.record(
        audit.Action.CLIENT_IMPORTED,
        by,
        organization=given.organization,
        client=client,
        name=given.name,
        addresses=given.addresses,
        expires_at=given.expires_at.replace(microsecond=0),
    )
    return client


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
