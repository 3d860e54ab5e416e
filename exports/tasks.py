"""The order of the steps of an export: plan, write each shard, finish.

The state is in PostgreSQL. A message to a worker only says "plan job N" or "a file needs to be written". When a worker
asks, the database says which shard. Every task can run twice and does its work once.
"""

import logging
import uuid
from typing import Any

from celery import Task, current_app, shared_task
from django.conf import settings
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from credentials.isolation import isolated
from exports.claims import compaction
from exports.models import Job
from exports.pipeline import expire as expiring
from exports.pipeline import finish as finishing
from exports.pipeline import plan as planning
from exports.pipeline import recover as recovering
from exports.pipeline import turns
from exports.pipeline import write as writing

logger = logging.getLogger(__name__)


@shared_task
def plan(job_id: int) -> None:
    """Plan a job, and before it one of the organization with the fewest workers, so that none has to wait."""
    first = turns.to_plan_first()
    if first is not None and first != job_id:
        # It has its own message, and recovery.
        with isolated("The planning of job", first):
            _plan(first)
    _plan(job_id)


def _plan(job_id: int) -> None:
    planning.plan(job_id)
    call_writers()
    finishing.finish(Job.objects.get(pk=job_id))


@shared_task
def write() -> None:
    """Write one file. The task ends with the file, so that time limits and a worker's stop apply to one file."""
    holder = uuid.uuid4()
    shard = turns.take_next(holder)
    if shard is None:
        return
    # Call the next worker before this one writes, and look again afterwards, whatever happened.
    call_writers()
    try:
        if job := writing.write(shard, holder):
            finishing.finish(job)
    finally:
        call_writers()


@shared_task
def recover() -> None:
    recovered = recovering.recover()
    for job_id in recovered.to_plan:
        with isolated("The planning of job", job_id):
            call_planner(job_id)
    call_writers()
    for job_id in recovered.to_finish:
        # The storage may be down for one job. It is tried again.
        with isolated("The end of job", job_id):
            finishing.finish(Job.objects.get(pk=job_id))
    if recovered.to_finish:
        call_writers()  # a job can get one more file at its end


@shared_task
def expire() -> None:
    expiring.expire()


@shared_task
def compact() -> None:
    compaction.compact(oldest_in_use=Job.objects.unfinished().oldest_load())


def call_planner(job_id: int) -> None:
    """Tell a worker to plan a job."""
    Job.objects.filter(pk=job_id).update(sent_at=Now())
    _send(plan, job_id)


def call_writers() -> None:
    """Make sure that a message waits for a worker while there is something to write.

    One message is enough: the worker that takes it sends the next, and while it waits, all workers are busy. A lost
    message does not wait, so the next caller sends another.
    """
    if not _is_waiting(settings.WRITING_QUEUE) and turns.is_something_next():
        _send(write)


def call_expire() -> None:
    """Remove files that can no longer be downloaded."""
    _send(expire)


def _send(task: "Task[..., Any]", *arguments: int) -> None:
    """If the broker is down, recovery sends the message later."""
    try:
        task.delay(*arguments)
    except OperationalError:
        logger.warning("The broker can't be reached. %s%s will be sent again.", task.name, arguments)


def _is_waiting(queue: str) -> bool:
    """Return whether the queue has a message that no worker has taken. If that can't be known, return False."""
    with current_app.connection_or_acquire() as connection:
        try:
            connection.ensure_connection(**settings.CELERY_TASK_PUBLISH_RETRY_POLICY)
            declared: Any = current_app.amqp.queues[queue].bind(connection.default_channel).queue_declare()
        except (OperationalError, *connection.connection_errors, *connection.channel_errors):
            return False
        return bool(declared.message_count)
