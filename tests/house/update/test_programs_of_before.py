"""Organizations of a release that knew three programs and did not compare them with entity IDs; and that release's
code, which goes on reading and writing beside the new one until all servers are updated.
"""

from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client as Browser

from credentials.access import gate
from credentials.actor import Actor
from credentials.models import Membership, Organization, User
from credentials.people import organizations
from credentials.programs import CKCC, KCF, PROGRAMS, REACH, SSP
from tests import prepared, services
from tests.house.update.then import THEN
from tests.world import sign_in

GOOD = {
    ("A0001", "SSP"): SSP,
    ("D0001", "REACH"): REACH,
    ("C0001", "KCC"): CKCC,
    ("K0001", "KCC"): KCF,
}
BAD = [("A1234", "REACH"), ("ABC123", "SSP"), ("D4321", "SSP"), ("A4321", "KCC"), ("E0001", "KCC"), ("A9999\n", "SSP")]
MANY = 1_200  # more than are filled at a time


@pytest.fixture(scope="module")
def before(django_db_setup, django_db_blocker) -> Iterator[type]:
    """The model of an organization as it was then. The update has run since."""
    with (
        django_db_blocker.unblock(),
        prepared.new_database(f"claimsgate_older_{services.PROCESS or 'alone'}", like=prepared.migrated(THEN)),
    ):
        executor = MigrationExecutor(connection)
        apps = executor.loader.project_state(THEN).apps
        made = apps.get_model("credentials", "Organization")
        made.objects.bulk_create(
            made(entity_id=entity_id, name=f"{entity_id} of {program}", program=program)
            for entity_id, program in [*GOOD, *BAD, *((f"A{2000 + number}", "SSP") for number in range(MANY))]
        )
        user = apps.get_model("credentials", "User").objects.create(email="dana@harbor.example", name="Dana")
        joined = made.objects.get(entity_id="A1234")
        apps.get_model("credentials", "Membership").objects.create(organization=joined, user=user, role="dua_custodian")
        executor.loader.build_graph()
        executor.migrate(executor.loader.graph.leaf_nodes())
        yield made


@pytest.fixture(autouse=True)
def _undone(before) -> Iterator[None]:
    """Each test begins with what the update has left."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def now(entity_id: str) -> Organization:
    return Organization.objects.get(entity_id=entity_id)


# --- What the update does -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("entity_id", "program"), GOOD)
def test_an_organization_has_its_program_and_kcc_is_two(entity_id, program):
    it = now(entity_id)

    assert it.program is GOOD[entity_id, program]
    assert (it.program_code, it.code_before) == (it.program.code, program)
    assert gate.organization_refusal(it) is None


@pytest.mark.parametrize(("entity_id", "program"), BAD)
def test_one_whose_entity_id_is_another_programs_has_none_and_gets_nothing(entity_id, program):
    it = now(entity_id)

    assert it.program is None
    assert (it.program_code, it.code_before, it.name) == ("", program, f"{entity_id} of {program}")
    assert gate.organization_refusal(it).code == "organization_without_program"


def test_many_are_filled_some_at_a_time():
    assert Organization.objects.filter(program_code="SSP").count() == MANY + 1
    assert Organization.objects.count() == MANY + len(GOOD) + len(BAD)


def test_its_team_signs_in_and_reads_what_is_wrong():
    browser = sign_in(Browser(), User.objects.get())

    pages = [
        browser.get(f"/organizations/A1234{where}") for where in ("", "/audit", "/credentials", "/exports", "/team")
    ]

    assert Membership.objects.get().manages_credentials
    for page in pages:
        assert page.status_code == 200
        assert "Access denied" in page.content.decode()
    assert "No program" in pages[0].content.decode()


def test_the_update_can_be_undone_and_done_again(before):
    codes = dict(Organization.objects.values_list("entity_id", "program_code"))
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("credentials")

    MigrationExecutor(connection).migrate([("credentials", "0017_labels_in_plain_words")])
    was = dict(before.objects.values_list("entity_id", "program"))
    MigrationExecutor(connection).migrate(newest)

    assert was.items() >= {*GOOD, *BAD}
    assert dict(Organization.objects.values_list("entity_id", "program_code")) == codes


# --- The code of before, beside the new one -------------------------------------------------------------------------


def test_what_it_creates_has_its_program(before):
    before.objects.create(entity_id="K7777", name="New", program="KCC")

    assert now("K7777").program_code == ""
    assert now("K7777").program is KCF
    assert gate.organization_refusal(now("K7777")) is None


def test_what_it_creates_with_another_programs_entity_id_gets_nothing(before):
    before.objects.create(entity_id="A7777", name="New", program="REACH")

    assert gate.organization_refusal(now("A7777")).code == "organization_without_program"


def test_what_it_changes_has_the_program_that_it_says(before):
    mended, moved, renamed = (before.objects.get(entity_id=each) for each in ("A1234", "C0001", "D0001"))
    mended.program, moved.entity_id, renamed.name = "SSP", "K0002", "Another name"

    for each in (mended, moved, renamed):
        each.save()

    assert [now(each).program for each in ("A1234", "K0002", "D0001")] == [SSP, KCF, REACH]


def test_it_reads_what_the_new_code_creates_and_changes(before):
    for program in PROGRAMS:
        organizations.create_organization(
            entity_id=program.entity_ids.example, name=program.name, program_code=program.code, by=Actor()
        )
    organizations.set_program(now("ABC123"), entity_id="K5555", program_code="KCF", by=Actor())

    read = dict(before.objects.values_list("entity_id", "program"))
    assert [read[program.entity_ids.example] for program in PROGRAMS] == [
        *("SSP", "REACH", "KCC", "KCC"),
        *[""] * (len(PROGRAMS) - 4),
    ]
    assert read["K5555"] == "KCC"
