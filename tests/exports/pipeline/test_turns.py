"""Whose turn it is: organizations take turns, and what is soon done does not wait for what takes long."""

import datetime as dt
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from django.db import connection
from django.db.models.functions import Now
from kombu import Connection

from exports import kickoff, tasks
from exports.models import Job, Shard
from exports.pipeline import leases, plan, recover, turns
from portal.celery import app as celery
from tests.exports.store import load, patient, start
from tests.exports.turn import take_and_write

# The lease of a shard is renewed, and files are given to several workers, over connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def planned(world, settings):
    """Plans a job of an organization, of so many shards."""
    settings.EXPORT_FILE_BYTES = 1
    settings.EXPORT_WORKERS_PER_ORGANIZATION = 2

    def planned(organization, shards: int, *, since=None) -> Job:
        mbis = world.beneficiaries(shards)
        world.roster(organization, mbis)
        load({mbi: [patient(mbi)] for mbi in mbis})
        job = kickoff.kick_off(
            organization=organization,
            version=2,
            scope=Job.Scope.PATIENT,
            resource_types=["Patient"],
            since=since,
            request_url="http://testserver/api/v2/Patient/$export",
        )
        plan.plan(job.pk)
        return job

    return planned


@pytest.fixture
def broker(monkeypatch):
    """A queue for the writers, in which nothing is lost but what a test takes out."""
    queue: list[int] = []
    monkeypatch.setattr(tasks.write, "delay", lambda: queue.append(1))
    monkeypatch.setattr(tasks, "_is_waiting", lambda _queue: bool(queue))
    return queue


def take() -> Job | None:
    shard = turns.take_next(uuid.uuid4())
    return shard.job if shard else None


def test_a_small_job_is_not_stuck_behind_the_huge_one_of_another_organization(world, planned):
    huge = planned(world.mesa, 50)
    assert take() == huge

    small = planned(world.harbor, 1)

    assert take() == small


def test_a_small_job_goes_before_a_huge_one_of_the_same_organization(world, planned):
    planned(world.harbor, 50)
    small = planned(world.harbor, 2)

    assert [take(), take()] == [small, small]


def test_a_huge_job_does_not_wait_for_ever(world, planned):
    huge = planned(world.harbor, 50)
    planned(world.harbor, 2)
    Job.objects.filter(pk=huge.pk).update(created_at=Now() - Job.PATIENCE - dt.timedelta(seconds=1))

    assert take() == huge


def test_an_organization_that_is_alone_has_all_workers(world, planned):
    planned(world.harbor, 3)
    planned(world.harbor, 3)

    assert [take() is not None for _ in range(7)] == [True] * 6 + [False]


def test_no_organization_has_more_workers_than_it_may_while_another_waits(world, planned):
    harbors, mesas = planned(world.harbor, 5), planned(world.mesa, 3)

    together = [take() for _ in range(5)]
    finish_one_of(mesas), finish_one_of(mesas)
    last_of_mesa, *alone = [take() for _ in range(4)]

    assert sorted(job.pk for job in together[:4]) == sorted([harbors.pk, mesas.pk] * 2)
    assert together[4] is None
    assert (last_of_mesa, alone) == (mesas, [harbors] * 3)


def test_of_jobs_that_have_waited_long_the_oldest_goes_first(world, planned):
    first, second = planned(world.harbor, 3), planned(world.harbor, 2)
    for job, minutes in ((first, 2), (second, 1)):
        waited = Job.PATIENCE + dt.timedelta(minutes=minutes)
        Job.objects.filter(pk=job.pk).update(created_at=Now() - waited)

    assert [take() for _ in range(5)] == [first] * 3 + [second] * 2


def test_the_job_that_is_soonest_done_goes_first_though_it_was_the_larger_one(world, planned):
    larger, smaller = planned(world.harbor, 5), planned(world.harbor, 3)
    for shard in larger.shards.all()[:3]:
        take_and_write(shard.pk)

    assert take() == larger
    assert bytes_left(larger) < bytes_left(smaller)


def test_what_is_left_to_write_is_reckoned_with_each_file(world, planned):
    job = planned(world.harbor, 3)
    lengths = list(job.shards.values_list("raw_length", flat=True))
    left = [bytes_left(job)]

    for shard in job.shards.all():
        take_and_write(shard.pk)
        left.append(bytes_left(job))

    assert left == [sum(lengths[number:]) for number in range(4)]


def test_a_worker_that_died_does_not_count(world, planned, settings):
    settings.EXPORT_WORKERS_PER_ORGANIZATION = 1
    dead, mesas = planned(world.harbor, 5), planned(world.mesa, 5)
    take(), take()
    dead.shards.filter(status=Shard.Status.WRITING).update(lease_until=Now() - dt.timedelta(seconds=1))

    assert (take(), take()) == (dead, None)
    assert mesas.shards.filter(status=Shard.Status.WAITING).exists()


@pytest.mark.parametrize(
    "how", [kickoff.cancel, lambda job, **_: recover.fail(job.pk, "a test")], ids=["cancel", "fail"]
)
def test_a_job_that_is_over_holds_nothing(world, planned, settings, how):
    settings.EXPORT_WORKERS_PER_ORGANIZATION = 1
    over, harbors, mesas = planned(world.harbor, 3), planned(world.harbor, 4), planned(world.mesa, 5)
    leases.take(Shard.objects.get(pk=over.shards.first().pk), holder=uuid.uuid4(), lease=settings.EXPORT_LEASE)
    before = [take(), take()]

    how(over, by=world.delegate)

    # One place for each organization, and what is over has none.
    assert before == [mesas, None]
    assert [take(), take()] == [harbors, None]


def test_what_failed_is_not_taken_again_before_its_rest_is_over(world, planned):
    job = planned(world.harbor, 2)
    holder = uuid.uuid4()
    leases.let_go(turns.take_next(holder), holder=holder, error="a test", rest=dt.timedelta(minutes=1))

    meanwhile = [take(), take()]
    Shard.objects.exclude(retry_at=None).update(retry_at=Now())
    afterwards = take()

    assert (meanwhile, afterwards) == ([job, None], job)


def test_many_workers_that_ask_at_the_same_moment_are_given_different_files(world, planned, settings):
    job = planned(world.harbor, 40)

    def ask() -> list[int]:
        try:
            return [shard.pk for _ in range(10) if (shard := turns.take_next(uuid.uuid4()))]
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        taken = [pk for asked in [pool.submit(ask) for _ in range(5)] for pk in asked.result()]

    assert sorted(taken) == sorted(job.shards.values_list("pk", flat=True))


def test_choosing_reads_a_few_rows_of_many_thousand(world, planned):
    job = planned(world.harbor, 20)

    copy(job, 999)
    read = rows_read()
    Job.objects.update(created_at=Now() - Job.PATIENCE * 2)
    read_of_old_ones = rows_read()

    assert Shard.objects.filter(status=Shard.Status.WAITING).count() == 20_000
    assert max(read, read_of_old_ones) < 50


# --- Planning ---


@pytest.fixture
def waiting(world, broker):
    """A job of an organization that is not planned yet."""

    def waiting(organization) -> Job:
        mbis = world.beneficiaries(1)
        world.roster(organization, mbis)
        load({mbi: [patient(mbi)] for mbi in mbis})
        return start(organization)

    return waiting


def test_nobody_is_planned_behind_the_many_of_another_organization(world, waiting):
    many = [waiting(world.harbor) for _ in range(3)]
    one = waiting(world.mesa)

    tasks.plan(many[0].pk)
    after_one = planned_ones()
    tasks.plan(many[1].pk)

    assert after_one == {many[0].pk}
    assert planned_ones() == {many[0].pk, one.pk, many[1].pk}


def test_a_job_that_cannot_be_planned_holds_up_neither_its_own_organization_nor_another(world, waiting, monkeypatch):
    others = [waiting(world.harbor), waiting(world.harbor)]
    tasks.plan(others[0].pk)
    broken = waiting(world.mesa)
    monkeypatch.setattr(tasks.planning, "_shards", broken_for(broken, tasks.planning._shards))

    tasks.plan(others[1].pk)

    assert planned_ones() == {job.pk for job in others}
    assert turns.to_plan_first() is None, "it would be tried again with every message"


def planned_ones() -> set[int]:
    return set(Job.objects.exclude(planned_at=None).values_list("pk", flat=True))


def broken_for(broken: Job, shards):
    def shards_or_error(job: Job):
        if job == broken:
            raise OSError("a test")
        return shards(job)

    return shards_or_error


# --- The messages ---


def test_one_message_waits_however_often_workers_are_called(world, planned, broker):
    planned(world.harbor, 5)

    for _ in range(3):
        tasks.call_writers()

    assert len(broker) == 1


def test_nobody_is_called_when_there_is_nothing_to_write(world, planned, broker):
    job = planned(world.harbor, 2)
    take(), take()

    tasks.call_writers()

    assert not broker
    assert job.shards.unwritten().count() == 2


def test_whoever_takes_a_file_calls_the_next_worker_before_writing(world, planned, broker, monkeypatch):
    planned(world.harbor, 3)
    waiting = []
    monkeypatch.setattr(tasks.writing, "write", lambda *_: waiting.append(len(broker)))

    tasks.write()

    assert waiting == [1]


def test_workers_are_called_while_there_is_work(world, planned, broker):
    jobs = [planned(world.harbor, 7), planned(world.harbor, 3), planned(world.mesa, 5)]
    tasks.call_writers()

    while broker:
        broker.pop()
        tasks.write()

    assert set(Job.objects.values_list("pk", "status")) == {(job.pk, Job.Status.COMPLETED) for job in jobs}


def test_a_message_that_is_lost_is_made_up_for_by_the_next_file_or_by_recovery(world, planned, broker, monkeypatch):
    planned(world.harbor, 3)
    written = tasks.writing.write
    monkeypatch.setattr(tasks.writing, "write", lambda *taken: broker.clear() or written(*taken))

    tasks.write()
    after_a_file = len(broker)
    broker.clear()
    tasks.recover()

    assert (after_a_file, len(broker)) == (1, 1)


def test_a_file_that_was_lost_after_it_was_written_is_called_for_again(world, planned, broker, monkeypatch):
    job = planned(world.harbor, 1)
    settle = Mock(side_effect=lambda _, lengths: list(lengths))
    monkeypatch.setattr(tasks.finishing.storage, "settle", settle)
    length = bytes_left(job)

    tasks.write()

    assert (len(broker), bytes_left(job)) == (1, length)


def test_who_had_to_leave_workers_to_another_is_called_when_that_one_cancels(world, planned, broker, settings):
    settings.EXPORT_WORKERS_PER_ORGANIZATION = 1
    planned(world.harbor, 3), planned(world.mesa, 3)
    take(), take()
    tasks.call_writers()
    before = len(broker)

    kickoff.cancel(Job.objects.get(organization=world.mesa), by=world.stranger)

    assert (before, len(broker)) == (0, 1)


def test_a_file_that_fails_does_not_end_the_calls(world, planned, broker, monkeypatch):
    planned(world.harbor, 3)

    def fail(*_):
        broker.clear()
        raise OSError("a test")

    monkeypatch.setattr(tasks.writing, "write", fail)

    with pytest.raises(OSError, match="a test"):
        tasks.write()

    assert len(broker) == 1


def test_messages_that_no_worker_has_taken_are_counted_by_the_broker(settings):
    queue = f"a-test-{uuid.uuid4()}"
    before = tasks._is_waiting(queue)
    tasks.write.apply_async(queue=queue)

    assert (before, tasks._is_waiting(queue)) == (False, True)


def test_a_broker_that_is_away_has_no_messages_and_holds_nobody_up(world, planned, monkeypatch, caplog):
    planned(world.harbor, 2)
    away = Connection("redis://localhost:1/0")
    monkeypatch.setattr(tasks.current_app, "connection_or_acquire", lambda: away)
    sent = []
    monkeypatch.setattr(tasks.write, "delay", lambda: sent.append(1))

    tasks.call_writers()

    assert sent == [1]


def test_files_are_written_by_a_queue_of_their_own_and_a_worker_takes_from_both():
    ours = [name for name in celery.tasks if not name.startswith("celery.")]
    routed = {name: celery.amqp.router.route({}, name)["queue"].name for name in ours}

    assert [name for name, queue in routed.items() if queue == "writing"] == ["exports.tasks.write"]
    assert set(routed.values()) == {"writing", "celery"}
    assert set(celery.amqp.queues.consume_from) == {"writing", "celery"}
    for queue in celery.amqp.queues.consume_from.values():
        assert queue.name == queue.exchange.name == queue.routing_key


def finish_one_of(job: Job) -> None:
    shard = job.shards.filter(status=Shard.Status.WRITING).first()
    assert leases.hand_in(shard, holder=shard.lease_holder, resource_count=0, raw_length=0, stored_length=0)


def bytes_left(job: Job) -> int:
    job.refresh_from_db()
    return job.bytes_left


def copy(job: Job, times: int) -> None:
    """More jobs of the same organization that look the same."""
    of_job = ", ".join(field.column for field in Job._meta.concrete_fields if not field.primary_key)
    of_shard = ", ".join(
        field.column for field in Shard._meta.concrete_fields if field.name not in {"id", "job", "file_name"}
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH copied AS (
                INSERT INTO exports_job ({of_job})
                SELECT {of_job} FROM exports_job, generate_series(1, %(times)s) WHERE id = %(job)s RETURNING id
            )
            INSERT INTO exports_shard (job_id, file_name, {of_shard})
            SELECT copied.id, gen_random_uuid() || '.ndjson', {of_shard}
            FROM copied, exports_shard WHERE job_id = %(job)s
            """,
            {"job": job.pk, "times": times},
        )


def rows_read() -> int:
    """How many rows PostgreSQL handles to choose the next shard."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE exports_job, exports_shard")
        values = {"patience": Job.PATIENCE, "workers": 2}
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {turns._FIRST_IN_LINE}", values)
        [[explained]] = cursor.fetchone()
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(explained["Plan"])
    )


def nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)
