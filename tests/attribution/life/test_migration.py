"""The code of the release before runs beside this one: it publishes, refuses, and uses no preview."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from attribution import cohorts
from attribution.models import RosterFile
from tests.world import World

BEFORE = "0005_add_preferences"


@pytest.fixture
def then(db):
    """The model of a roster as the release before has it."""
    state = MigrationExecutor(connection).loader.project_state([("attribution", BEFORE)])
    return state.apps.get_model("attribution", "RosterFile")


def facts(world: World, status: str) -> dict[str, object]:
    return {
        "organization_id": world.harbor.pk,
        "kind": "current",
        "status": status,
        "file_name": f"{status}.csv",
        "sha256": "0" * 64,
        "performance_year": timezone.now().year,
        "file_timestamp": timezone.now(),
    }


def test_it_publishes_and_refuses_as_always(world: World, then) -> None:
    published = then.objects.create(**facts(world, "published"), published_at=timezone.now())
    then.objects.create(**facts(world, "refused"))

    assert cohorts.current_roster(world.harbor).pk == published.pk
    assert RosterFile.objects.published().get().swing_reason == ""


def test_it_uses_published_rosters_only(world: World, then) -> None:
    world.roster(world.harbor, [])
    for status in ("previewed", "discarded"):
        RosterFile.objects.create(**facts(world, status))
    times = {"published_at": timezone.now(), "rolled_back_at": timezone.now()}
    RosterFile.objects.create(**facts(world, "rolledback"), **times)

    assert then.objects.filter(status="published").count() == 1


def test_a_published_roster_still_has_a_time(world: World, then) -> None:
    with pytest.raises(IntegrityError, match="roster_in_force_has_time"), transaction.atomic():
        then.objects.create(**facts(world, "published"))
