"""The order of the steps of an export, and nothing else: plan, write each shard, finish.

The truth is in PostgreSQL. A message to a worker only says "plan job N" or "something is to be written": which shard,
the database decides when the worker asks. Every task may run twice and does its work once.
"""

import logging
from typing import Any

from celery import Task, shared_task
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
    planning.plan(job_id)
    job = Job.objects.get(pk=job_id)
    call_writers(job.organization_id)
    finishing.finish(job)


@shared_task
def write() -> None:
    if job := writing.write_next():
        # Whoever has written has the next one called: the calls go on while there is work.
        call_writers(job.organization_id)
        finishing.finish(job)


@shared_task
def recover() -> None:
    recovered = recovering.recover()
    for job_id in recovered.to_plan:
        with isolated("The planning of job", job_id):
            call_planner(job_id)
    for organization_id in recovered.to_write:
        with isolated("The writing for organization", organization_id):
            call_writers(organization_id)
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


def call_writers(organization_id: int) -> None:
    """Tell as many workers as may write for an organization that something is to be written."""
    for _ in range(turns.call(organization_id)):
        _send(write)


def call_expire() -> None:
    """Have the files removed that nobody may fetch any more."""
    _send(expire)


def _send(task: "Task[..., Any]", *arguments: int) -> None:
    """When the broker is away, recovery will send the message later."""
    try:
        task.delay(*arguments)
    except OperationalError:
        logger.warning("The broker cannot be reached; %s%s will be sent again.", task.name, arguments)
