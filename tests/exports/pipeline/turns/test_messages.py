"""Workers are called as long as there is something to write, and not more often."""

import uuid
from unittest.mock import Mock

import pytest
from kombu import Connection

from credentials.actor import Actor
from exports import kickoff, tasks
from exports.models import Job
from portal.celery import app as celery
from tests.exports.pipeline.turns.queue import bytes_left, take

# The lease of a shard is renewed, and files are given to several workers, over connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)


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

    kickoff.cancel(Job.objects.get(organization=world.mesa), by=Actor(user=world.stranger))

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
