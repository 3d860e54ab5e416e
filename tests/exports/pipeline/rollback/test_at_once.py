"""Rollback, publication and exports at the same time, over real connections: one outcome each."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from attribution.loading import CannotRollBackError, roll_back
from credentials.actor import Actor
from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports.models import Job
from exports.pipeline import plan
from tests.exports.store import load, patient, start
from tests.world import World

A_MOMENT = 0.3

pytestmark = pytest.mark.django_db(transaction=True)


class Thread:
    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def run(self, act: Callable[[], Any]) -> "Future[Any]":
        return self._pool.submit(self._run, act, None, None)

    def held(self, act: Callable[[], Any]) -> "tuple[Future[Any], threading.Event]":
        """Returns when the act is done but for its commit, which waits for the event."""
        done, release = threading.Event(), threading.Event()
        future = self._pool.submit(self._run, act, done, release)
        assert done.wait(10)
        return future, release

    @staticmethod
    def _run(act: Callable[[], Any], done: threading.Event | None, release: threading.Event | None) -> Any:
        try:
            with transaction.atomic():
                result = act()
                if done and release:
                    done.set()
                    assert release.wait(10)
            return result
        finally:
            connection.close()


@pytest.fixture
def thread() -> Iterator[Thread]:
    with ThreadPoolExecutor(2) as pool:
        yield Thread(pool)


@pytest.fixture
def world(transactional_db) -> World:
    it = World()
    people = it.beneficiaries(3)
    it.good, it.wrong = it.roster(it.harbor, people[:2]), it.roster(it.harbor, people)
    load({mbi: [patient(mbi)] for mbi in people})
    return it


def undo(world: World) -> Callable[[], Any]:
    return lambda: roll_back(world.wrong, reason="Wrong.", by=Actor())


def test_an_export_that_starts_during_a_rollback_waits_and_has_the_roster_before(world, thread) -> None:
    _, release = thread.held(undo(world))
    job = thread.run(lambda: start(world.harbor))
    time.sleep(A_MOMENT)
    waits = not job.done()

    release.set()

    assert waits
    assert job.result(10).roster == world.good
    assert job.result(10).status == Job.Status.PENDING


def test_a_rollback_during_the_start_of_an_export_waits_and_cancels_it(world, thread) -> None:
    started, release = thread.held(lambda: start(world.harbor))
    rollback = thread.run(undo(world))
    time.sleep(A_MOMENT)
    waits = not rollback.done()

    release.set()

    assert waits
    rollback.result(10)
    job = started.result(10)
    job.refresh_from_db()
    assert (job.roster, job.status) == (world.wrong, Job.Status.CANCELLED)


def test_a_rollback_while_an_export_is_planned_leaves_it_cancelled(world, thread) -> None:
    job = start(world.harbor)
    _, release = thread.held(lambda: plan.plan(job.pk))
    rollback = thread.run(undo(world))
    time.sleep(A_MOMENT)

    release.set()

    rollback.result(10)
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert AuditEvent.objects.filter(action=Action.EXPORT_CANCELLED).count() == 1


def test_two_exports_can_start_at_once(world, thread) -> None:
    _, release = thread.held(lambda: start(world.harbor))

    assert thread.run(lambda: start(world.harbor)).result(10).status == Job.Status.PENDING

    release.set()


def test_two_team_members_roll_back_at_once_and_one_does(world, thread) -> None:
    _, release = thread.held(undo(world))
    second = thread.run(undo(world))
    time.sleep(A_MOMENT)

    release.set()

    with pytest.raises(CannotRollBackError):
        second.result(10)
    assert AuditEvent.objects.filter(action=Action.ROSTER_ROLLED_BACK).count() == 1
