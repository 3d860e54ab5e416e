"""Clients that come from the SSAS with the secrets that they have."""

import base64
import csv
import datetime as dt
import hashlib
import io
import json
import random
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import importing, rotation, ssas_hashes
from credentials.clients.importing import FIELDS
from credentials.clients.rotation import Overlap
from credentials.clients.ssas_hashes import NotAHashError, SsasHash
from credentials.models import AuditEvent, Client, ClientSecret
from credentials.tokens import verification
from credentials.trail.audit import Action
from tests.credentials.at_once import CALLERS, at_once
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, ApiClient

SECRET, WRONG = "0a" * 40, "1b" * 40
ITERATIONS = 1000
OPERATOR = "operator@gate.example"


def hash_of(secret: str = SECRET, iterations: int = ITERATIONS, *, says_iterations: bool = True) -> str:
    salt = b"s" * 32
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, iterations, 64)
    parts = [base64.b64encode(salt).decode(), base64.b64encode(digest).decode()]
    return ":".join([*parts, str(iterations)] if says_iterations else parts)


def record(**facts) -> dict:
    expires_at = timezone.now() + dt.timedelta(days=60)
    return {
        "client_id": str(uuid.uuid4()), "organization": "A9994", "name": "ETL", "secret_hash": hash_of(),
        "expires_at": expires_at.isoformat(), "addresses": [HOME_ADDRESS], **facts,
    }  # fmt: skip


@pytest.fixture
def import_file(world, tmp_path):
    """Imports records as a JSON file."""

    def write_and_import(*records: dict, **options) -> None:
        path = tmp_path / "clients.json"
        path.write_text(json.dumps(records))
        call_command("import_ssas_clients", path, by=OPERATOR, **options)

    return write_and_import


@pytest.fixture
def api(import_file) -> ApiClient:
    """An imported client, which has not been used here yet."""
    import_file(record())
    return ApiClient(Client.objects.get(), SECRET)


def events(action: Action) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("id"))


def count_slow_hashes(monkeypatch) -> list[str]:
    """Whose hash was reckoned, by its text; each time."""
    reckoned = []
    real = SsasHash.is_of
    monkeypatch.setattr(SsasHash, "is_of", lambda self, secret: reckoned.append(str(self)) or real(self, secret))
    return reckoned


# --- Use ------------------------------------------------------------------------------------------------------------


def test_an_imported_secret_opens_and_is_hashed_anew_at_its_first_use(api, world, monkeypatch):
    reckoned = count_slow_hashes(monkeypatch)

    answers = [api.ask_for_token().status_code for _ in range(3)]

    assert answers == [200] * 3
    assert len(reckoned) == 1
    secret = ClientSecret.objects.get()
    assert bytes(secret.digest) == hashlib.sha256(SECRET.encode()).digest()
    assert (secret.imported_hash, secret.hint) == ("", SECRET[-4:])
    (event,) = events(Action.SECRET_REHASHED)
    assert (event.organization, event.client, event.detail["after"]) == (world.harbor, api.client, {"hash": "SHA-256"})


def test_a_wrong_secret_does_not_open_and_changes_nothing(api):
    response = api.ask_for_token(secret=WRONG)

    assert (response.status_code, response.json()) == (401, {"error": "invalid_client"})
    assert ClientSecret.objects.get().imported_hash
    assert not events(Action.SECRET_REHASHED)


def test_an_imported_secret_that_has_expired_says_so_once_it_is_proven(api):
    ClientSecret.objects.update(expires_at=timezone.now())

    response = api.ask_for_token()

    assert response.status_code == 401
    assert "expired" in response.json()["error_description"]


def test_an_imported_client_is_rotated_like_any_other(api, world):
    new = rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))

    assert [api.ask_for_token(secret=secret).status_code for secret in (SECRET, new)] == [200, 200]


def test_the_secret_of_one_imported_client_does_not_open_for_another(import_file):
    import_file(record(), record(name="Vendor", secret_hash=hash_of("2c" * 40)))
    vendor = ApiClient(Client.objects.get(name="Vendor"), SECRET)

    assert vendor.ask_for_token().status_code == 401
    assert vendor.ask_for_token(secret="2c" * 40).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_first_uses_at_once_all_open_and_are_written_down_once(api):
    answers = at_once(lambda _number: api.ask_for_token().status_code)

    assert answers == [200] * CALLERS
    assert len(events(Action.SECRET_REHASHED)) == 1


# --- What it costs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["cgs_" + "0" * 64, "0a" * 39, "0A" * 40, "0a" * 4000])
def test_the_slow_hash_is_reckoned_only_for_what_looks_like_such_a_secret(api, monkeypatch, secret):
    reckoned = count_slow_hashes(monkeypatch)

    assert api.ask_for_token(secret=secret).status_code == 401

    assert reckoned == []


def test_from_an_address_that_is_not_listed_it_is_not_reckoned_and_the_organization_sees_why(api, world, monkeypatch):
    reckoned = count_slow_hashes(monkeypatch)
    elsewhere = ApiClient(api.client, SECRET, address=OTHER_ADDRESS)

    response = elsewhere.ask_for_token()

    assert (response.status_code, response.json()) == (401, {"error": "invalid_client"})
    assert reckoned == []
    (event,) = events(Action.TOKEN_REFUSED)
    assert (event.organization, event.address) == (world.harbor, OTHER_ADDRESS)
    assert event.detail["reason"] == "imported_secret_not_tried"


def test_where_it_is_reckoned_an_unknown_client_costs_the_same(api, monkeypatch):
    reckoned = count_slow_hashes(monkeypatch)
    stranger = ApiClient(Client(client_id=str(uuid.uuid4())), WRONG)

    assert [api.ask_for_token(secret=WRONG).status_code, stranger.ask_for_token().status_code] == [401, 401]

    assert len(reckoned) == 2


def test_an_unknown_client_is_not_let_in_by_the_secret_of_a_known_one(api):
    stranger = ApiClient(Client(client_id=str(uuid.uuid4())), SECRET)

    assert stranger.ask_for_token().status_code == 401
    assert ClientSecret.objects.get().imported_hash


def test_one_address_is_given_so_much_of_the_processor_and_no_more(api, settings, monkeypatch):
    settings.LIMIT_SLOW_HASHES_PER_ADDRESS = 3
    reckoned = count_slow_hashes(monkeypatch)

    answers = [api.ask_for_token(secret=WRONG) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 3
    assert int(answers[-1]["Retry-After"]) >= 1
    assert len(reckoned) == 3


def test_when_every_imported_secret_has_been_used_nothing_slow_is_left(api, monkeypatch):
    api.ask_for_token()
    reckoned = count_slow_hashes(monkeypatch)

    api.ask_for_token(secret=WRONG)

    assert reckoned == []
    assert verification._imported(api.client.client_id, WRONG, HOME_ADDRESS) is None


# --- The file -------------------------------------------------------------------------------------------------------


def test_a_file_of_clients_is_imported_with_their_ids_addresses_and_days(import_file, world, capsys):
    first, second = record(), record(organization="D9990", name="Ours", addresses=f"{HOME_ADDRESS}; {OTHER_ADDRESS}")

    import_file(first, second)

    client = Client.objects.get(client_id=second["client_id"])
    assert (client.organization, client.name) == (world.mesa, "Ours")
    assert [address.address for address in client.addresses.all()] == [HOME_ADDRESS, OTHER_ADDRESS]
    assert client.secrets.get().expires_at.isoformat() == second["expires_at"]
    assert [event.user for event in events(Action.CLIENT_IMPORTED)] == [world.operator] * 2
    assert "2 clients imported." in capsys.readouterr().out


def test_csv_is_imported_too(world, tmp_path):
    path = tmp_path / "clients.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        rows = csv.DictWriter(file, FIELDS)
        rows.writeheader()
        rows.writerow(record(addresses=f"{HOME_ADDRESS} {OTHER_ADDRESS}"))

    call_command("import_ssas_clients", path, by=OPERATOR)

    assert Client.objects.get().addresses.count() == 2
    assert ApiClient(Client.objects.get(), SECRET).ask_for_token().status_code == 200


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"client_id": "7"}, "is not a UUID"),
        ({"organization": "A0000"}, "Create it first"),
        ({"name": " "}, "1 to 64 characters"),
        ({"name": "x" * 65}, "1 to 64 characters"),
        ({"secret_hash": "x"}, "iterations"),
        ({"secret_hash": hash_of(says_iterations=False)}, "--iterations"),
        ({"secret_hash": hash_of().replace(":1000", ":9000000")}, "the most allowed"),
        ({"secret_hash": hash_of().replace(":1000", ":many")}, "not a number"),
        ({"secret_hash": "!!:!!:1000"}, "not base64"),
        ({"secret_hash": "YQ==:YQ==:1000"}, "has 1 bytes"),
        ({"expires_at": "soon"}, "is not a time"),
        ({"expires_at": "2026-13-01T00:00:00Z"}, "is not a time"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expired"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "90 days"),
        ({"addresses": []}, "at least one IP address"),
        ({"addresses": ["10.0.0.1"]}, "is a private IP address"),
        ({"addresses": [f"8.8.4.{last}" for last in range(9)]}, "at most 8"),
        ({"addresses": 8}, "a list of IP addresses"),
    ],
)  # fmt: skip
def test_a_file_with_one_bad_record_is_refused_whole_with_the_reason(import_file, facts, reason):
    with pytest.raises(CommandError, match=reason) as refused:
        import_file(record(), record(**{"name": "Other", **facts}))

    assert "Record 2:" in str(refused.value)
    assert not Client.objects.exists()
    assert not AuditEvent.objects.exists()


def test_everything_that_is_wrong_is_told_at_once(import_file):
    twin = record()

    with pytest.raises(CommandError) as refused:
        import_file(record(name="", client_id="7"), twin, {**twin, "name": "Other"}, record())

    told = str(refused.value)
    assert told.count("Record 1:") == 2
    assert f"Record 3: the client ID {twin['client_id']} already exists." in told
    assert "Record 4: A9994 already has a client named “ETL”." in told


def test_what_is_there_already_is_not_imported_again(api, import_file):
    with pytest.raises(CommandError, match="already"):
        import_file(record(client_id=api.client.client_id, name="Again"))

    assert Client.objects.count() == 1


def test_hashes_that_do_not_say_their_iterations_take_those_that_are_given(import_file):
    import_file(record(secret_hash=hash_of(says_iterations=False)), iterations=ITERATIONS)

    assert ApiClient(Client.objects.get(), SECRET).ask_for_token().status_code == 200


def test_a_dry_run_changes_nothing(import_file, capsys):
    import_file(record(), dry_run=True)

    assert "1 clients can be imported" in capsys.readouterr().out
    assert not Client.objects.exists()


@pytest.mark.parametrize("text", ["{", "{}", "[1]", "[]"])
def test_what_is_no_list_of_records_is_refused(world, tmp_path, text):
    path = tmp_path / "clients.json"
    path.write_text(text)

    with pytest.raises(CommandError, match="Nothing was imported"):
        call_command("import_ssas_clients", path, by=OPERATOR)


def test_a_table_without_its_columns_is_refused(world, tmp_path):
    path = tmp_path / "clients.csv"
    path.write_text("client_id,name\n1,2\n")

    with pytest.raises(CommandError, match="Missing: addresses, expires_at, organization, secret_hash"):
        call_command("import_ssas_clients", path, by=OPERATOR)


def test_only_an_operator_imports(world, tmp_path):
    path = tmp_path / "clients.json"
    path.write_text(json.dumps([record()]))

    with pytest.raises(CommandError, match="no operator"):
        call_command("import_ssas_clients", path, by="delegate@harbor.example")

    assert not Client.objects.exists()


# --- The hash -------------------------------------------------------------------------------------------------------


def test_a_hash_is_of_its_secret_and_of_no_other():
    parsed = SsasHash.parse(hash_of())

    assert parsed.is_of(SECRET)
    assert not parsed.is_of(WRONG)
    assert str(parsed) == hash_of()


def test_what_is_no_hash_is_refused():
    with pytest.raises(NotAHashError):
        SsasHash.parse("")


def test_secrets_of_the_ssas_are_told_from_our_own():
    assert ssas_hashes.SECRET.fullmatch(SECRET)
    assert not ssas_hashes.SECRET.fullmatch("cgs_" + "0" * 64)


def written(records: list[dict], *, is_csv: bool) -> str:
    if not is_csv:
        return json.dumps(records)
    made = io.StringIO()
    lines = csv.DictWriter(made, FIELDS)
    lines.writeheader()
    lines.writerows({**each, "addresses": " ".join(each["addresses"])} for each in records)
    return made.getvalue()


@pytest.mark.parametrize("is_csv", [False, True])
def test_whatever_happens_to_a_file_it_is_taken_over_or_refused(world, is_csv):
    dice = random.Random(20261127)
    outcomes = set()
    for _ in range(300):
        broken = [*written([record()], is_csv=is_csv)]
        for _ in range(dice.choice((1, 2, 5))):
            place = dice.randrange(len(broken))
            junk = ("", '"', "\\", "\0", "\n", ",", "[", "\ud800", "\N{ZERO WIDTH SPACE}", "9" * 5000, "x" * 200_000)
            broken[place : place + dice.randrange(4)] = dice.choice(junk)

        try:
            with transaction.atomic():
                records = importing.read(io.StringIO("".join(broken)), is_csv=is_csv)
                importing.import_clients(records, iterations=ITERATIONS, by=Actor())
                transaction.set_rollback(True)
        except importing.ImportRefusedError:
            outcomes.add("refused")
        else:
            outcomes.add("taken over")

    assert outcomes == {"refused", "taken over"}
