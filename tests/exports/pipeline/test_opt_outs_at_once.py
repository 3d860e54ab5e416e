"""An opt-out is loaded while an export is written, over real connections: one outcome, and nothing in between."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from attribution.consent import ledger
from attribution.consent.opt_outs import Asked
from attribution.models import PreferenceChange
from credentials.actor import Actor
from exports.models import Job
from exports.pipeline import plan, write
from tests.attribution.consent.files import NAME, line, load_bytes, say, text
from tests.exports.store import exported, load, patient, run, start
from tests.exports.turn import take_and_write
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20
EVERYBODY = 0, 2**63 - 1


@pytest.fixture
def world(transactional_db) -> World:
    it = World()
    it.people = it.beneficiaries(3)
    it.roster(it.harbor, it.people)
    load({mbi: [patient(mbi)] for mbi in it.people})
    return it


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as it:
        yield it


def in_a_thread(pool: ThreadPoolExecutor, act, *arguments) -> Future:
    def with_a_connection_of_its_own():
        try:
            return act(*arguments)
        finally:
            connection.close()

    return pool.submit(with_a_connection_of_its_own)


@contextmanager
def an_opt_out_before_its_commit(pool: ThreadPoolExecutor, mbi: str) -> Iterator[None]:
    """It is written, and committed at the end of the block."""
    done, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            say(mbi, "N")
            done.set()
            assert release.wait(PATIENCE)

    held = in_a_thread(pool, hold)
    assert done.wait(PATIENCE)
    try:
        yield
    finally:
        release.set()
        held.result(PATIENCE)


def patients(job: Job) -> list[str]:
    return exported(job).get("Patient", [])


def has_opted_out_since_it_was_written(job: Job) -> bool:
    shard = job.shards.get()
    return job.cohort.has_opted_out_since(Asked(shard.asked_change_id, shard.asked_on), *EVERYBODY)


def test_an_opt_out_that_is_not_committed_yet_does_not_count_and_is_found_afterwards(world, pool):
    out = world.people[1]
    with an_opt_out_before_its_commit(pool, out):
        job = run(start(world.harbor))
        assert patients(job) == [f"p-{mbi}" for mbi in world.people]
        assert not has_opted_out_since_it_was_written(job)

    assert has_opted_out_since_it_was_written(job)
    again = run(start(world.harbor))
    assert f"p-{out}" not in patients(again)
    assert not has_opted_out_since_it_was_written(again)


def test_an_opt_out_between_planning_and_writing_is_obeyed(world, pool):
    job = start(world.harbor)
    with an_opt_out_before_its_commit(pool, world.people[1]):
        plan.plan(job.pk)

    assert patients(run(job)) == [f"p-{world.people[0]}", f"p-{world.people[2]}"]
    assert not has_opted_out_since_it_was_written(job)


def test_an_opt_out_while_a_file_is_written_is_not_in_half_of_it_and_is_found_afterwards(world, pool, monkeypatch):
    job = start(world.harbor, resource_types=["Patient"])
    plan.plan(job.pk)
    real = write.pieces_of

    def slowly(shard):
        for number, piece in enumerate(real(shard)):
            if number == 0:
                in_a_thread(pool, say, world.people[1], "N").result(PATIENCE)
            yield piece

    monkeypatch.setattr(write, "pieces_of", slowly)
    take_and_write(job.shards.get().pk)
    run(job)

    assert patients(job) == [f"p-{mbi}" for mbi in world.people]
    assert has_opted_out_since_it_was_written(job)


def test_two_loads_of_one_file_at_once_are_one_load_and_one_refusal(world, pool):
    content = text(*[line(mbi) for mbi in world.people]).encode()

    changes = [each.result(PATIENCE) for each in [in_a_thread(pool, load_bytes, content) for _ in range(3)]]

    assert sorted(each.status for each in changes) == ["accepted", "refused", "refused"]
    assert PreferenceChange.objects.in_effect().count() == 1


def test_changes_become_visible_in_the_order_of_their_ids(world, pool):
    """Whoever has seen one has seen all before it: that is what a file remembers."""
    with an_opt_out_before_its_commit(pool, world.people[0]):
        later = in_a_thread(pool, say, world.people[1], "N")
        with pytest.raises(TimeoutError):
            later.result(0.5)
        assert not PreferenceChange.objects.exists()

    second = later.result(PATIENCE)
    first = PreferenceChange.objects.exclude(pk=second.pk).get()
    assert first.pk < second.pk
    assert first.recorded_at <= second.recorded_at


def test_two_reverts_at_once_are_one(world, pool):
    change = ledger.load_file(io.BytesIO(text(line(world.people[0])).encode()), file_name=NAME, by=Actor())

    def revert() -> str:
        try:
            ledger.revert(change, reason="", by=Actor())
        except ledger.NotRevertibleError as error:
            return str(error)
        return "reverted"

    said = sorted(each.result(PATIENCE) for each in [in_a_thread(pool, revert) for _ in range(2)])

    assert said == ["It is already reverted.", "reverted"]
    assert PreferenceChange.objects.filter(kind="revert").count() == 1
