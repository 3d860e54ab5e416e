"""Recovery: whatever died, each unfinished job goes on or fails with a reason. A job is never stuck."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from exports.models import Job, Shard
from exports.pipeline.transactions import brief


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the workers have to be told again."""

    to_plan: list[int]  # jobs
    to_finish: list[Job]


@brief()
def recover() -> Recovered:
    """Look through the unfinished jobs; fail those that were tried too often, and say what has to be sent again."""
    for job in Job.objects.unfinished().filter(created_at__lt=Now() - settings.EXPORT_DEADLINE):
        fail(job, f"The export was not finished within {settings.EXPORT_DEADLINE}.")
    in_progress = Job.objects.filter(status=Job.Status.IN_PROGRESS)
    to_plan = _unplanned()
    _free_the_shards_of_the_dead()
    return Recovered(
        to_plan,
        to_finish=list(in_progress.exclude(pk__in=Shard.objects.unwritten().values("job"))),
    )


def _unplanned() -> list[int]:
    """Jobs of whose message nothing has been heard."""
    unheard = Q(sent_at=None) | Q(sent_at__lt=Now() - settings.EXPORT_MESSAGE_PATIENCE)
    pending = Job.objects.filter(unheard, status=Job.Status.PENDING)
    to_plan = []
    for job in pending.select_for_update(skip_locked=True):
        if job.plan_attempts >= settings.EXPORT_ATTEMPTS:
            fail(job, f"The export could not be planned in {settings.EXPORT_ATTEMPTS} attempts.")
        else:
            to_plan.append(job.pk)
    return to_plan


def _free_the_shards_of_the_dead() -> None:
    """Shards whose workers died wait again, unless they have been tried often enough."""
    shards = Shard.objects.free().filter(job__status=Job.Status.IN_PROGRESS).select_related("job")
    tried = shards.filter(attempts__gte=settings.EXPORT_ATTEMPTS)
    for shard in tried.select_for_update(of=("self",), skip_locked=True):
        attempts = f"A file could not be written in {settings.EXPORT_ATTEMPTS} attempts."
        fail(shard.job, f"{attempts} {shard.last_error}".strip())
    # One that is being handed in at this moment is not dead.
    dead = Shard.objects.filter(status=Shard.Status.WRITING, lease_until__lt=Now()).select_for_update(skip_locked=True)
    Shard.objects.filter(pk__in=dead.values("pk")).update(
        status=Shard.Status.WAITING, lease_holder=None, lease_until=None
    )


def fail(job: Job, reason: str) -> bool:
    """End a job that cannot be completed."""
    failure = reason[:500]
    return any(
        job.advance(from_=status, to=Job.Status.FAILED, failure=failure, finished_at=Now()) for status in Job.UNFINISHED
    )
