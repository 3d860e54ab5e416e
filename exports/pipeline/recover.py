"""Recovery: whatever fails, each unfinished job continues or fails with a reason. No job is ever stuck.

Each job and shard is handled by itself, in its own transaction. One that can't be read or changed does not hold up
those of other organizations.
"""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from credentials.isolation import isolated
from exports.models import Job, JobQuerySet, Shard, ShardQuerySet
from exports.pipeline.transactions import brief


@dataclass(frozen=True, slots=True)
class Recovered:
    """The messages that must be sent again."""

    to_plan: list[int]  # jobs
    to_finish: list[int]  # jobs


def recover() -> Recovered:
    """Check the unfinished jobs. Fail those that were tried too often, and return which messages to send again."""
    _fail_the_overdue()
    to_plan = _unplanned()
    _fail_what_was_tried_too_often()
    _free_the_shards_of_the_dead()
    in_progress = Job.objects.filter(status=Job.Status.IN_PROGRESS)
    unwritten = Shard.objects.unwritten().values("job")
    return Recovered(
        to_plan,
        to_finish=list(in_progress.exclude(pk__in=unwritten).order_by("pk").values_list("pk", flat=True)),
    )


def fail(job_id: int, reason: str) -> bool:
    """Fail a job that can't be completed. Return True for exactly one caller."""
    unfinished = Job.objects.unfinished().filter(pk=job_id)
    return bool(unfinished.update(status=Job.Status.FAILED, failure=reason[:500], finished_at=Now()))


def _fail_the_overdue() -> None:
    overdue = Job.objects.unfinished().filter(created_at__lt=Now() - settings.EXPORT_DEADLINE)
    for job_id in list(overdue.values_list("pk", flat=True)):
        with isolated("Job", job_id), brief():
            fail(job_id, f"The export did not finish within {settings.EXPORT_DEADLINE}. Start a new one.")


def _unplanned() -> list[int]:
    """Return jobs whose message seems to be lost."""
    unheard = Q(sent_at=None) | Q(sent_at__lt=Now() - settings.EXPORT_MESSAGE_PATIENCE)
    pending = Job.objects.filter(unheard, status=Job.Status.PENDING)
    to_plan = []
    for job_id in list(pending.order_by("pk").values_list("pk", flat=True)):
        with isolated("Job", job_id), brief():
            if _may_be_planned(pending.filter(pk=job_id)):
                to_plan.append(job_id)
    return to_plan


def _may_be_planned(pending: JobQuerySet) -> bool:
    """Return whether to try a job again. Fails it after too many attempts. A worker that plans it holds a lock."""
    found = pending.select_for_update(skip_locked=True).values_list("pk", "plan_attempts").first()
    if found is None:
        return False
    job_id, attempts = found
    if attempts < settings.EXPORT_ATTEMPTS:
        return True
    fail(job_id, f"The export could not be planned in {settings.EXPORT_ATTEMPTS} attempts.")
    return False


def _fail_what_was_tried_too_often() -> None:
    in_progress = Job.objects.filter(status=Job.Status.IN_PROGRESS)
    tried = Shard.objects.free().filter(job__in=in_progress, attempts__gte=settings.EXPORT_ATTEMPTS)
    for shard_id in list(tried.values_list("pk", flat=True)):
        with isolated("Shard", shard_id), brief():
            _fail_job_of(tried.filter(pk=shard_id))


def _fail_job_of(tried: ShardQuerySet) -> None:
    # A worker that is taking the shard right now holds a lock.
    found = tried.select_for_update(skip_locked=True).values_list("job", "last_error").first()
    if found is not None:
        job_id, last_error = found
        attempts = f"A file could not be written in {settings.EXPORT_ATTEMPTS} attempts."
        fail(job_id, f"{attempts} {last_error}".strip())


def _free_the_shards_of_the_dead() -> None:
    """Let shards whose workers died wait again."""
    dead = Shard.objects.filter(status=Shard.Status.WRITING, lease_until__lt=Now())
    for shard_id in list(dead.values_list("pk", flat=True)):
        with isolated("Shard", shard_id), brief():
            # A shard that is being handed in right now is not lost.
            locked = dead.filter(pk=shard_id).select_for_update(skip_locked=True)
            Shard.objects.filter(pk__in=locked.values("pk")).put_back()
