"""What was lost is sent again, taken up and finished."""

import datetime as dt
import uuid

import pytest
from django.db.models.functions import Now

from exports.models import Job, Shard
from exports.pipeline import leases, plan, recover, turns
from tests.exports.turn import take_and_write

pytestmark = pytest.mark.usefixtures("unhurried")


@pytest.mark.django_db(transaction=True)  # the message is sent when the job is committed
def test_recovery_sends_a_lost_message_again_but_not_a_fresh_one(harbor_job, settings):
    fresh = recover.recover()
    Job.objects.update(sent_at=Now() - settings.EXPORT_MESSAGE_PATIENCE)
    lost = recover.recover()

    assert fresh.to_plan == []
    assert lost.to_plan == [harbor_job.pk]


def test_recovery_takes_up_a_shard_whose_worker_died(harbor_job, settings):
    plan.plan(harbor_job.pk)
    dead, alive = harbor_job.shards.all()
    leases.take(dead, holder=uuid.uuid4(), lease=dt.timedelta(seconds=-1))
    leases.take(alive, holder=uuid.uuid4(), lease=settings.EXPORT_LEASE)

    before = turns.is_something_next()
    recover.recover()

    assert not before
    assert [turns.take_next(uuid.uuid4()), turns.take_next(uuid.uuid4())] == [dead, None]


def test_recovery_finishes_a_job_whose_last_worker_died_before_it_could(harbor_job):
    plan.plan(harbor_job.pk)
    for shard in harbor_job.shards.all():
        take_and_write(shard.pk)

    assert recover.recover().to_finish == [harbor_job.pk]


def test_a_shard_that_fails_again_and_again_fails_the_job_with_the_reason(harbor_job, settings):
    plan.plan(harbor_job.pk)
    Shard.objects.update(attempts=settings.EXPORT_ATTEMPTS, last_error="OSError: No space left on device")

    recover.recover()

    harbor_job.refresh_from_db()
    assert not turns.is_something_next()
    assert harbor_job.status == Job.Status.FAILED
    assert "No space left on device" in harbor_job.failure
