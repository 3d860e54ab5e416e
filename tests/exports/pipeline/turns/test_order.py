"""Whose turn it is: organizations take turns, and what is soon done does not wait for what takes long."""

import datetime as dt
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models.functions import Now

from attribution.consent.opt_outs import Consent
from credentials.actor import Actor
from exports import kickoff
from exports.models import Job, Shard
from exports.pipeline import leases, recover, turns
from tests.exports.pipeline.turns.queue import bytes_left, take
from tests.exports.turn import take_and_write

# The lease of a shard is renewed, and files are given to several workers, over connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)


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

    how(over, by=Actor(user=world.delegate))

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


# --- The messages ---


def finish_one_of(job: Job) -> None:
    shard = job.shards.filter(status=Shard.Status.WRITING).first()
    assert leases.hand_in(
        shard, holder=shard.lease_holder, resource_count=0, raw_length=0, stored_length=0, asked=Consent().asked()
    )


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
