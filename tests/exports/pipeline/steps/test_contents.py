"""What an export holds, and what it does not."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials.models import AuditEvent
from exports import kickoff
from exports.claims.undo import take_back
from exports.models import Chunk, Job, Load, PatientIdentity, Shard
from exports.pipeline import plan, recover
from tests.exports.pipeline.steps.job import GROUP, eob
from tests.exports.store import deleted, exported, fill, load, patient, run, start
from tests.exports.turn import take_and_write

pytestmark = pytest.mark.usefixtures("unhurried")


def test_an_export_holds_the_roster_and_nobody_else(world):
    ours, theirs, nobodys = world.beneficiaries(3), world.beneficiaries(2), world.beneficiaries(2)
    world.roster(world.harbor, ours)
    world.roster(world.mesa, theirs)
    load({mbi: [patient(mbi)] for mbi in ours + theirs + nobodys})

    job = run(start(world.harbor, scope=GROUP))

    assert job.status == Job.Status.COMPLETED
    assert exported(job) == {"Patient": [f"p-{mbi}" for mbi in ours]}


def test_an_export_runs_with_debug_on_too(harbor_job):
    with CaptureQueriesContext(connection):
        assert run(harbor_job).status == Job.Status.COMPLETED


def test_a_type_of_which_there_is_nothing_has_no_file(harbor_job):
    job = run(harbor_job)

    assert set(exported(job)) == {"Patient", "ExplanationOfBenefit"}


@pytest.mark.parametrize("since", [None, timezone.now() - dt.timedelta(days=1)])
def test_an_empty_store_is_exported_by_nobody(world, since):
    world.roster(world.harbor, world.beneficiaries(1))

    with pytest.raises(kickoff.NothingLoadedError):
        start(world.harbor, scope=GROUP, since=since)

    assert not Job.objects.exists()
    assert not AuditEvent.objects.filter(action="export_started").exists()


def test_what_the_release_before_started_of_an_empty_store_is_no_success_either(world, settings):
    fill(world)
    world.roster(world.harbor, world.beneficiaries(1))
    job = start(world.harbor)
    Chunk.objects.all().delete()
    PatientIdentity.objects.all().delete()
    Load.objects.all().delete()

    for _ in range(settings.EXPORT_ATTEMPTS):
        with pytest.raises(Load.DoesNotExist):
            plan.plan(job.pk)
    recover.recover()

    job.refresh_from_db()
    assert (job.status, job.failure) == ("failed", "The export could not be planned in 5 attempts.")


def test_someone_without_claims_gets_an_export_without_files(world):
    fill(world)
    world.roster(world.harbor, world.beneficiaries(1), published_at=timezone.now() - dt.timedelta(days=1))

    job = run(start(world.harbor, scope=GROUP))

    assert job.status == Job.Status.COMPLETED
    assert not job.files.exists()
    assert job.transaction_time == Load.objects.get().loaded_at


def test_a_version_whose_only_load_was_reverted_still_tells_of_its_deletions(world):
    mbis = world.beneficiaries(1)
    world.roster(world.harbor, mbis, published_at=timezone.now() - dt.timedelta(days=1))
    wrong = load({mbi: [patient(mbi)] for mbi in mbis})
    seen = run(start(world.harbor))

    take_back(wrong)

    with pytest.raises(kickoff.NothingLoadedError):
        start(world.harbor)
    assert deleted(run(start(world.harbor, since=seen.transaction_time))) == {"Patient": [[f"Patient/p-{mbis[0]}"]]}


def test_large_exports_are_cut_into_files_without_loss_or_repetition(world, settings):
    mbis = world.beneficiaries(9)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi, filler="x" * 500)] for mbi in mbis})
    settings.EXPORT_FILE_BYTES = 1_700

    job = run(start(world.harbor, scope=GROUP))

    assert job.files.count() == 3
    assert exported(job)["Patient"] == [f"p-{mbi}" for mbi in mbis]


def test_what_is_loaded_after_the_planning_is_not_in_the_export(world):
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi, name="old"), eob(number)] for number, mbi in enumerate(mbis)})
    job = start(world.harbor, scope=GROUP)
    plan.plan(job.pk)

    load({mbis[0]: [patient(mbis[0], name="new"), eob(0), eob(7)]})
    for shard in Shard.objects.filter(job=job):
        take_and_write(shard.pk)

    job.refresh_from_db()
    assert exported(job) == {"Patient": [f"p-{mbi}" for mbi in mbis], "ExplanationOfBenefit": ["e-0", "e-1"]}


def test_a_client_that_comes_back_with_the_transaction_time_misses_and_repeats_nothing(world):
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis, published_at=timezone.now() - dt.timedelta(days=1))
    load({mbi: [patient(mbi), eob(number)] for number, mbi in enumerate(mbis)})
    first = run(start(world.harbor, scope=GROUP))
    load({mbis[1]: [eob(1), eob(8)]})

    second = run(start(world.harbor, scope=GROUP, since=first.transaction_time))
    third = run(start(world.harbor, scope=GROUP, since=second.transaction_time))

    assert exported(second) == {"ExplanationOfBenefit": ["e-1", "e-8"]}
    assert exported(third) == {}


@pytest.mark.parametrize(
    ("scope", "of_the_new"), [(Job.Scope.GROUP_ALL, ["e-1"]), (Job.Scope.PATIENT, [])], ids=["Group", "Patient"]
)
def test_since_gives_the_newly_attributed_their_whole_history_in_group_exports_only(world, scope, of_the_new):
    old, new = world.beneficiaries(2)
    now = timezone.now()
    world.roster(world.harbor, [old], published_at=now - dt.timedelta(days=30))
    load({old: [eob(0)], new: [eob(1)]})
    since = timezone.now()
    load({old: [eob(2)]})
    world.roster(world.harbor, [old, new], published_at=timezone.now())

    job = run(start(world.harbor, scope=scope, since=since))

    assert exported(job) == {"ExplanationOfBenefit": ["e-2", *of_the_new]}
    assert job.files.count() == 1 + len(of_the_new)


def test_who_left_the_roster_is_not_in_the_export_whatever_since_says(world):
    stays, leaves = world.beneficiaries(2)
    world.roster(world.harbor, [stays, leaves], published_at=timezone.now() - dt.timedelta(days=30))
    world.roster(world.harbor, [stays])
    since = timezone.now() - dt.timedelta(days=7)
    load({mbi: [patient(mbi)] for mbi in (stays, leaves)})

    job = run(start(world.harbor, scope=GROUP, since=since))

    assert exported(job) == {"Patient": [f"p-{stays}"]}


def test_an_organization_without_a_roster_cannot_start(world):
    with pytest.raises(kickoff.NoRosterError):
        start(world.harbor, scope=GROUP)

    assert not Job.objects.exists()
