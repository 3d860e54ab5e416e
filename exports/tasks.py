"""The order of the steps of an export, and nothing else: plan, write each shard, finish.

The truth is in PostgreSQL. A message to a worker only says "plan job N" or "something is to be written": which shard,
the database decides when the worker asks. Every task may run twice and does its work once.
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
    """Plan a job, and before it one of an organization that has less at work: nobody waits behind another's many."""
    first = turns.to_plan_first()
    if first is not None and first != job_id:
        # It has a message of its own, and recovery.
        with isolated("The planning of job", first):
            _plan(first)
    _plan(job_id)


def _plan(job_id: int) -> None:
    planning.plan(job_id)
    call_writers()
    finishing.finish(Job.objects.get(pk=job_id))


@shared_task
def write() -> None:
    """Write one file. The task ends with it, so that time limits and a worker's end go by the file."""
    holder = uuid.uuid4()
    shard = turns.take_next(holder)
    if shard is None:
        return
    # The next worker is called before this one writes, and this one itself afterwards, however it went.
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
        # The storage may be out of reach for one; it is tried again.
        with isolated("The end of job", job_id):
            finishing.finish(Job.objects.get(pk=job_id))


@shared_task
def expire() -> None:
    expiring.expire()


@shared_task
def compact() -> None:
    compaction.compact(oldest_in_use=Job.objects.unfinished().oldest_load())


def call_planner(job_id: int) -> None:
    """Tell a worker of a job that is to be planned."""
    Job.objects.filter(pk=job_id).update(sent_at=Now())
    _send(plan, job_id)


def call_writers() -> None:
    """See to it that a message waits for a worker while something may be written.

    One is enough, however much there is to write: whoever takes it calls the next, and while it waits, all workers are
    busy. A message that was lost does not wait, so whoever comes here next sends another.
    """
    if not _is_waiting(settings.WRITING_QUEUE) and turns.is_something_next():
        _send(write)


def call_expire() -> None:
    """Have the files removed that nobody may fetch any more."""
    _send(expire)


def _send(task: "Task[..., Any]", *arguments: int) -> None:
    """When the broker is away, recovery will send the message later."""
    try:
        task.delay(*arguments)
    except OperationalError:
        logger.warning("The broker can't be reached. %s%s will be sent again.", task.name, arguments)


def _is_waiting(queue: str) -> bool:
    """Whether a message is in the queue that no worker has taken. Where that cannot be known, none is."""
    with current_app.connection_or_acquire() as connection:
        try:
            connection.ensure_connection(**settings.CELERY_TASK_PUBLISH_RETRY_POLICY)
            declared: Any = current_app.amqp.queues[queue].bind(connection.default_channel).queue_declare()
        except (OperationalError, *connection.connection_errors, *connection.channel_errors):
            return False
        return bool(declared.message_count)
