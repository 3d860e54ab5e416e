"""The order of the steps of an export, and nothing else: plan, write each shard, finish.

A message only says "look at job N"; the truth is in PostgreSQL. Every task may run twice and does its work once.
"""

import logging
from typing import Any

from celery import Task, shared_task
from django.db import models
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from exports.models import Job, Shard
from exports.pipeline import expire as expiring
from exports.pipeline import finish as finishing
from exports.pipeline import plan as planning
from exports.pipeline import recover as recovering
from exports.pipeline import write as writing

logger = logging.getLogger(__name__)


@shared_task
def plan(job_id: int) -> None:
    planning.plan(job_id)
    job = Job.objects.get(pk=job_id)
    for shard_id in job.shards.filter(status=Shard.Status.WAITING).values_list("pk", flat=True):
        send(write, Shard, shard_id)
    finishing.finish(job)


@shared_task
def write(shard_id: int) -> None:
    if job := writing.write(shard_id):
        finishing.finish(job)


@shared_task
def recover() -> None:
    recovered = recovering.recover()
    for job_id in recovered.to_plan:
        send(plan, Job, job_id)
    for shard_id in recovered.to_write:
        send(write, Shard, shard_id)
    for job in recovered.to_finish:
        finishing.finish(job)


@shared_task
def expire() -> None:
    expiring.expire()


def send(task: "Task[[int], Any]", model: type[models.Model], pk: int) -> None:
    """Tell a worker of a job or a shard. When the broker is away, recovery will tell it later."""
    model._default_manager.filter(pk=pk).update(sent_at=Now())  # noqa: SLF001  # Django's documented name
    try:
        task.delay(pk)
    except OperationalError:
        logger.warning("The broker cannot be reached; %s %s will be sent again.", model.__name__, pk)
