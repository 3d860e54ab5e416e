"""The index by which a roster is published once is replaced while rosters are loaded."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from attribution.models import RosterFile
from tests.world import OrganizationFactory, World

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE, AFTER = "0002_labels_in_plain_words", "0003_names_that_say_nothing"
NEWEST = None


@pytest.fixture
def migrate():
    """Migrates attribution to a migration; at the end everything is as new as before."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()

    def to(name: str | None) -> None:
        MigrationExecutor(connection).migrate([("attribution", name)] if name else newest)

    yield to
    MigrationExecutor(connection).migrate(newest)


def indexes() -> dict[str, bool]:
    """The indexes for it, and whether each is valid and unique."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, indisvalid AND indisunique FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE relname LIKE 'roster%published_once'"
        )
        return dict(cursor.fetchall())


def published_again(roster: RosterFile) -> None:
    """The same file of the same time once more, as two loads at once would publish it if none waited."""
    then = MigrationExecutor(connection).loader.project_state([("attribution", AFTER)]).apps
    again = then.get_model("attribution", "RosterFile").objects.get(pk=roster.pk)
    again.pk = None
    again.save(force_insert=True)


def test_an_older_database_keeps_its_rosters_and_a_file_is_still_published_once(migrate) -> None:
    world = World()
    rosters = [world.roster(world.harbor, []), world.roster(world.mesa, [])]
    migrate(BEFORE)

    migrate(AFTER)

    assert list(RosterFile.objects.order_by("pk").values_list("pk", flat=True)) == [each.pk for each in rosters]
    assert indexes() == {"roster_file_published_once": True}
    migrate(NEWEST)
    with pytest.raises(IntegrityError, match="roster_file_published_once"), transaction.atomic():
        published_again(rosters[0])


def test_it_can_be_undone_and_done_again(migrate) -> None:
    migrate(BEFORE)
    before = indexes()

    migrate(AFTER)

    assert before == {"roster_published_once": True}
    assert indexes() == {"roster_file_published_once": True}


def test_what_was_interrupted_while_it_built_the_index_is_built_again(migrate) -> None:
    migrate(BEFORE)
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX roster_file_published_once ON attribution_rosterfile (file_name)")

    migrate(AFTER)

    assert indexes() == {"roster_file_published_once": True}


def test_a_file_of_another_time_may_have_the_same_name() -> None:
    organization = OrganizationFactory()
    facts = {"organization": organization, "kind": "current", "status": "published", "file_name": "list.csv"}
    when = organization.created_at

    for year in (when, when.replace(year=when.year - 1)):
        RosterFile.objects.create(
            **facts, sha256="0" * 64, performance_year=2026, file_timestamp=year, published_at=when
        )

    assert RosterFile.objects.count() == 2
