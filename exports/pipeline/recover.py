"""Recovery: whatever died, each unfinished job goes on or fails with a reason. A job is never stuck."""

import datetime as dt
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from exports.models import Job, Shard

# A message that was sent and not followed by a start for so long is taken to be lost, and sent again.
MESSAGE_PATIENCE = dt.timedelta(seconds=30)
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Recovered:
    """What has to be told to the workers again."""

    to_plan: list[int]
    to_write: list[int]
    to_finish: list[Job]


@transaction.atomic
def recover() -> Recovered:
    """Look through the unfinished jobs; fail those that were tried too often, and say what has to be sent again."""
    unheard = Q(sent_at=None) | Q(sent_at__lt=Now() - MESSAGE_PATIENCE)
    pending = Job.objects.filter(status=Job.Status.PENDING).select_for_update(skip_locked=True)
    to_plan = []
    for job in pending.filter(unheard):
        if job.plan_attempts >= ATTEMPTS:
            fail(job, f"The export could not be planned in {ATTEMPTS} attempts.")
        else:
            to_plan.append(job.pk)

    idle = Q(status=Shard.Status.WAITING) & unheard | Q(status=Shard.Status.WRITING, lease_until__lt=Now())
    shards = Shard.objects.filter(idle, job__status=Job.Status.IN_PROGRESS).select_related("job")
    to_write = []
    for shard in shards.select_for_update(of=("self",), skip_locked=True):
        if shard.attempts >= ATTEMPTS:
            fail(shard.job, f"A file could not be written in {ATTEMPTS} attempts. {shard.last_error}".strip())
        else:
            to_write.append(shard.pk)
    Shard.objects.filter(pk__in=to_write).update(status=Shard.Status.WAITING, lease_holder=None, lease_until=None)

    to_finish = list(
        Job.objects.filter(status=Job.Status.IN_PROGRESS).exclude(pk__in=Shard.objects.unwritten().values("job"))
    )
    return Recovered(to_plan, to_write, to_finish)


def fail(job: Job, reason: str) -> bool:
    """End a job that cannot be completed."""
    failure = reason[:500]
    return any(
        job.advance(from_=status, to=Job.Status.FAILED, failure=failure, finished_at=Now()) for status in Job.UNFINISHED
    )
