"""Two team members decide about rosters at the same time, over real connections: one outcome each, and its event."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from attribution import cohorts, loading
from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.models import AuditEvent
from credentials.trail.audit import Action
from tests.attribution.archives import MBIS, NAME, archive
from tests.exports.pipeline.rollback.test_at_once import A_MOMENT, Thread
from tests.world import World

OCTOBER = "P.BCD.A9994.ZCY26.D261001.T1000000"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def thread():
    with ThreadPoolExecutor(2) as pool:
        yield Thread(pool)


def preview(name: str, mbis: tuple[str, ...]) -> RosterFile:
    return loading.preview_roster(archive(name, mbis), file_name=name, by=Actor())


def events(action: Action) -> int:
    return AuditEvent.objects.filter(action=action).count()


def test_two_files_published_at_once_follow_each_other(world: World, thread: Thread) -> None:
    october, november = preview(OCTOBER, MBIS[:5]), preview(NAME, MBIS[2:9])
    _, release = thread.held(lambda: loading.publish(october, by=Actor(user=world.delegate)))
    second = thread.run(lambda: loading.publish(november, by=Actor(user=world.colleague)))
    time.sleep(A_MOMENT)
    waits = not second.done()

    release.set()

    published = second.result(10)
    assert waits
    assert (published.joined_count, published.left_count) == (4, 2)
    assert cohorts.current_roster(world.harbor) == published
    assert events(Action.ROSTER_PUBLISHED) == 2


@pytest.mark.parametrize("other", ["publish", "discard"])
def test_one_preview_has_one_outcome(world: World, thread: Thread, other: str) -> None:
    roster = preview(NAME, MBIS[:5])
    _, release = thread.held(lambda: loading.publish(roster, by=Actor(user=world.delegate)))
    second = thread.run(lambda: getattr(loading, other)(roster, by=Actor(user=world.colleague)))
    time.sleep(A_MOMENT)

    release.set()

    with pytest.raises((loading.CannotPublishError, loading.CannotDiscardError), match="already published"):
        second.result(10)
    assert (events(Action.ROSTER_PUBLISHED), events(Action.ROSTER_DISCARDED)) == (1, 0)
    assert roster.entries.count() == 5


def test_the_same_file_previewed_twice_is_published_once(world: World, thread: Thread) -> None:
    first, second = preview(NAME, MBIS[:5]), preview(NAME, MBIS[:5])
    _, release = thread.held(lambda: loading.publish(first, by=Actor()))
    later = thread.run(lambda: loading.publish(second, by=Actor()))
    time.sleep(A_MOMENT)

    release.set()

    with pytest.raises(loading.CannotPublishError, match="A file with this name was published"):
        later.result(10)
    assert RosterFile.objects.published().get() == first


def test_a_preview_is_published_while_a_large_file_is_being_loaded(world: World, thread: Thread) -> None:
    october = preview(OCTOBER, MBIS[:5])
    _, release = thread.held(lambda: preview(NAME, MBIS[2:9]))

    published = thread.run(lambda: loading.publish(october, by=Actor())).result(10)

    assert published.status == RosterFile.Status.PUBLISHED
    release.set()
