"""`manage.py make_sandbox`: organizations of synthetic people, made in several processes, whole in the end."""

import datetime as dt
import io
import itertools
import re
import shutil

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from attribution.models import RosterEntry, RosterFile
from credentials import secret_text
from credentials.models import Client, ClientSecret, Organization
from credentials.programs import SSP, program_of
from exports.intake import sandbox
from exports.models import Chunk, Load
from portal.laptop import demo_content
from tests.exports.intake.sandbox.tiny_sandboxes import (
    PARTIAL,
    SIZES,
    TINY,
    claims,
    interrupt_after,
    made_elsewhere,
    make,
    stored,
)
from tests.world import HOME_ADDRESS, OrganizationFactory

# --- The sizes ------------------------------------------------------------------------------------------------------


def test_the_sizes_are_those_of_the_documented_sandbox():
    assert [size.name for size in sandbox.SIZES] == [
        *("simple-50", "simple-2500", "simple-5000", "simple-15000", "simple-30000"),
        *("advanced-100", "advanced-10000", "partial-110", "partial-11000"),
    ]
    assert all(size.name.endswith(f"-{size.people}") for size in sandbox.SIZES)


def test_nobody_is_in_two_sandboxes_and_no_organization_is_two():
    sizes = [*sandbox.SIZES, *(cast.size for cast in demo_content.CAST)]

    ranges = sorted((size.first_person, size.first_person + size.people) for size in sizes)

    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ranges))
    assert len({size.entity_id for size in sizes}) == len(sizes)


def test_partially_adjudicated_claims_are_for_organizations_that_may_have_them():
    for size in sandbox.SIZES:
        assert program_of(size.entity_id) is size.program
        assert size.with_partial_claims == size.name.startswith("partial")


def test_without_a_size_the_command_lists_them_and_makes_nothing(db):
    output = io.StringIO()

    call_command("make_sandbox", stdout=output)

    assert re.search(r"simple-2500 +A9902 +2,500 +1 year +no +\d.*MB", output.getvalue())
    assert re.search(r"partial-110 +D9921 +110 +3 years, and partially adjudicated +no", output.getvalue())
    assert not Organization.objects.exists()


def test_the_list_says_what_is_there(db):
    sandbox.make(PARTIAL)
    with pytest.raises(KeyboardInterrupt):
        sandbox.make(TINY, on_load=interrupt_after(1))

    listed = make()

    assert re.search(r"tiny +A9931 +30 .* 23% ", listed)
    assert re.search(r"tiny-partial +D9931 +12 .* yes ", listed)


# --- What is made ---------------------------------------------------------------------------------------------------


def test_a_sandbox_is_an_organization_with_a_roster_and_the_claims_of_exactly_its_people(db):
    make("tiny")

    organization = Organization.objects.get()
    assert (organization.entity_id, organization.program, organization.is_sandbox) == ("A9931", SSP, True)
    roster = RosterFile.objects.published().get(organization=organization)
    assert roster.beneficiary_count == TINY.people
    on_roster = set(RosterEntry.objects.filter(roster=roster).values_list("beneficiary_id", flat=True))
    for resource_type in ("Patient", "Coverage"):
        chunks = Chunk.objects.filter(resource_type=resource_type, superseded_by=None)
        assert set(chunks.values_list("beneficiary_id", flat=True)) == on_roster
    assert set(Chunk.objects.values_list("resource_type", flat=True)) == {"Patient", "Coverage", "ExplanationOfBenefit"}
    assert set(claims().values()) == {1}


def test_only_a_partial_sandbox_has_partially_adjudicated_claims(db):
    make("tiny-partial")

    assert Chunk.objects.filter(resource_type="Claim", superseded_by=None).exists()
    assert Chunk.objects.filter(resource_type="ClaimResponse", superseded_by=None).exists()


def test_the_last_month_can_be_told_apart_with_since(db):
    output = make("tiny")

    told = re.search(r"_since=(\S+Z)", output)
    assert told is not None
    since = dt.datetime.fromisoformat(told[1])
    later = Chunk.objects.filter(resource_type="ExplanationOfBenefit", last_updated__gt=since)
    assert 0 < sum(chunk.resource_count for chunk in later) < claims().total()
    edge = timezone.now().date() - sandbox.RECENT
    assert not later.filter(first_service_date__lt=edge - dt.timedelta(days=180)).exists()
    assert not Chunk.objects.filter(last_updated__lte=since, last_service_date__gte=edge).exists()


def test_two_processes_make_the_same_chunks_as_one_byte_for_byte(db, monkeypatch):
    # Later than the database's clock, which says when a roster was published: loads come after that.
    later = timezone.now() + dt.timedelta(hours=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)

    by_one = _stored_after("tiny", "tiny-partial", "--processes", "1")
    by_two = _stored_after("tiny", "tiny-partial", "--processes", "2")

    assert len(by_one) > 2 * (TINY.people + PARTIAL.people)
    assert by_two == by_one


def test_all_makes_every_size(db):
    output = make("--all")

    assert Organization.objects.count() == len(SIZES)
    assert not any(sandbox.standing(size).missing for size in SIZES)
    assert re.search(r"tiny +A9931 +30 +[\d,]+ +[\d.]+ MB +6 ", output)


# --- What goes wrong ------------------------------------------------------------------------------------------------


def test_an_unknown_size_is_refused_with_the_known_ones(db):
    with pytest.raises(CommandError, match=r"Unknown size: huge. Use one of: tiny, tiny-partial"):
        make("tiny", "huge")

    assert not Organization.objects.exists()


@pytest.mark.parametrize("number", ["0", "-1"])
def test_less_than_one_process_is_refused(db, number):
    with pytest.raises(CommandError, match=f"--processes {number}: .* Use 1 or more"):
        make("tiny", "--processes", number)

    assert not Organization.objects.exists()


def test_synthetic_claims_do_not_go_to_an_organization_that_is_no_sandbox(db):
    OrganizationFactory(entity_id="D9931", name="Real Care")

    with pytest.raises(CommandError, match="D9931 Real Care is not a sandbox"):
        make("tiny", "tiny-partial")

    assert Organization.objects.get().is_sandbox is False
    assert not RosterFile.objects.exists()
    assert not Load.objects.exists()


def test_synthetic_claims_do_not_go_to_a_sandbox_with_other_people(world):
    organization = OrganizationFactory(entity_id="A9931", is_sandbox=True)
    world.roster(organization, world.beneficiaries(3))

    with pytest.raises(CommandError, match=r"needs 30 beneficiaries, but the first roster of A9931 .* has 3"):
        make("tiny")

    assert not Load.objects.exists()


def test_a_disk_that_is_too_small_is_told_before_the_work(db, monkeypatch):
    monkeypatch.setattr(settings.SERVICES, "has_postgres", True)
    small = shutil.disk_usage(settings.DATA_DIR)._replace(free=500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: small)

    told = make("tiny")

    assert re.match(r"This needs about 1\.\d MB, but the disk of \S+ has 500\.0 kB left\. Free up space", told)
    assert "This takes" not in make("tiny")


def test_a_database_without_its_tables_is_said_to_need_migrate(db):
    connection.cursor().execute("DELETE FROM django_migrations WHERE app = 'exports'")

    with pytest.raises(CommandError, match=r"Run `python manage\.py migrate`"):
        make("tiny")

    assert not Organization.objects.exists()


# --- Clients --------------------------------------------------------------------------------------------------------


def test_without_being_asked_it_makes_no_client_and_says_how_one_is_made(db):
    output = make("tiny-partial")

    assert "--with-client ADDRESS" in output
    assert not Client.objects.exists()


def test_a_client_is_made_and_its_secret_told_once_and_written_nowhere(db, caplog):
    told = make("tiny-partial", "--with-client", HOME_ADDRESS)

    client = Client.objects.get(organization__entity_id="D9931")
    assert client.client_id in told
    assert [address.address for address in client.addresses.all()] == [HOME_ADDRESS]
    secret = re.search(r"cgs_\w+", told)
    assert secret is not None
    assert bytes(ClientSecret.objects.get(client=client).digest) == secret_text.digest(secret[0])
    assert secret[0] not in caplog.text
    again = make("tiny-partial", "--with-client", HOME_ADDRESS)
    assert "already has a client named “Sandbox”" in again
    assert "cgs_" not in again
    assert ClientSecret.objects.count() == 1


def test_an_address_that_may_not_be_listed_is_refused_before_the_work(db):
    with pytest.raises(CommandError, match=r"--with-client: .*10\.0\.0\.1"):
        make("tiny", "--with-client", "10.0.0.1")

    assert not Organization.objects.exists()


def test_a_client_for_no_size_is_refused(db):
    with pytest.raises(CommandError, match="add the size"):
        make("--with-client", HOME_ADDRESS)


def _stored_after(*arguments: str) -> list[tuple]:
    return made_elsewhere(lambda: make(*arguments) and stored())
