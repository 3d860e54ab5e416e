"""What was exported by the rules of one program is not downloaded under those of another, whatever is corrected."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.test import Client as Browser

from credentials.actor import Actor
from credentials.models import Organization
from credentials.people import organizations
from exports import storage
from exports.models import Job
from exports.pipeline import expire, plan
from tests.exports.store import EVERYTHING, exported, load, patient, run, start
from tests.world import World, sign_in


@pytest.fixture
def mbi(world, unhurried) -> str:
    """The one beneficiary of Harbor, who has a resource."""
    [mbi] = world.beneficiaries(1)
    world.roster(world.harbor, [mbi])
    load({mbi: [patient(mbi)]})
    return mbi


def move(world, entity_id: str, program_code: str) -> Organization:
    by = Actor(user=world.operator)
    organizations.set_program(world.harbor, entity_id=entity_id, program_code=program_code, by=by)
    return world.harbor


def test_files_of_the_former_program_are_gone_at_once(world, mbi):
    api = world.api_client().sign_in()
    job = run(start(world.harbor))
    file = f"/data/{job.pk}/{job.files.get().name}"
    before = [api.get(path).status_code for path in (f"/api/v2/jobs/{job.pk}", file)]

    move(world, "D0001", "REACH")

    after = [api.get(path).status_code for path in (f"/api/v2/jobs/{job.pk}", file)]
    browser = sign_in(Browser(), world.delegate)
    shown = browser.get(f"/organizations/D0001/exports/{job.pk}").content.decode()
    downloaded = browser.get(f"/organizations/D0001/exports/{job.pk}/files/{job.files.get().name}")
    assert (before, after) == ([200, 200], [410, 410])
    assert "Expired" in shown
    assert downloaded.status_code == 410
    for page in (shown, downloaded.content.decode()):
        assert "The program of Harbor Care Alliance has changed since" in page


def test_types_that_were_chosen_before_the_change_start_nothing(world, mbi):
    types = (*EVERYTHING, "Claim")
    with pytest.raises(PermissionDenied, match=r"has just changed\. Start the export again"):
        start(world.harbor, resource_types=types)

    assert not Job.objects.exists()


def test_their_files_are_removed(world, mbi):
    world.roster(world.mesa, [mbi])
    job, other = run(start(world.harbor)), run(start(world.mesa))
    [name] = job.files.values_list("name", flat=True)
    move(world, "D0001", "REACH")

    expire.expire()

    assert Job.objects.get(pk=job.pk).status == Job.Status.EXPIRED
    assert Job.objects.get(pk=other.pk).status == Job.Status.COMPLETED
    with pytest.raises(FileNotFoundError), storage.opened(job.pk, name):
        pass


def test_an_organization_that_had_no_program_downloads_nothing_of_that_time(world, mbi):
    """The release before has exported for it, without look-back, although its entity ID was none of its program's."""
    job = run(start(world.harbor))
    Organization.objects.filter(pk=world.harbor.pk).update(program_code="", code_before="KCC")

    move(world, "A9994", "SSP")

    assert Job.objects.get(pk=job.pk).has_expired


def test_a_new_export_follows_the_new_rules(world, mbi):
    run(start(world.harbor))
    harbor = move(world, "D0001", "REACH")

    job = run(start(harbor))

    assert not job.has_expired
    assert exported(job) == {"Patient": [f"p-{mbi}"]}
    assert job.claims_from_date is not None


def test_a_request_that_began_before_the_change_follows_the_new_rules(world, mbi):
    of_the_request = Organization.objects.get(pk=world.harbor.pk)
    move(world, "D0001", "REACH")

    job = start(of_the_request)

    assert job.claims_from_date is not None


@pytest.mark.django_db(transaction=True)
def test_a_change_waits_for_a_request_that_has_read_the_program():
    """So the job is older than the change, and its files are not downloaded after it."""
    world = World()
    [mbi] = world.beneficiaries(1)
    world.roster(world.harbor, [mbi])
    load({mbi: [patient(mbi)]})
    has_started, may_end = threading.Event(), threading.Event()

    def kick_off_slowly() -> None:
        with transaction.atomic():
            start(world.harbor)
            has_started.set()
            may_end.wait(60)
        connection.close()

    with ThreadPoolExecutor() as pool:
        started = pool.submit(kick_off_slowly)
        assert has_started.wait(20), started.exception(timeout=20)
        moved = pool.submit(lambda: (move(world, "D0001", "REACH"), connection.close()))
        with pytest.raises(TimeoutError):
            moved.result(timeout=0.5)
        may_end.set()
        moved.result(timeout=60)
        started.result(timeout=60)

    job = Job.objects.get()
    assert job.claims_from_date is None
    assert job.is_of_another_program


def test_another_entity_id_of_the_same_program_changes_nothing(world, mbi):
    job = run(start(world.harbor))

    move(world, "A0001", "SSP")

    assert not Job.objects.get(pk=job.pk).has_expired


@pytest.mark.parametrize("was", [Job.Status.PENDING, Job.Status.IN_PROGRESS])
def test_an_unfinished_export_gives_no_files(world, mbi, was):
    job = start(world.harbor)
    if was == Job.Status.IN_PROGRESS:
        plan.plan(job.pk)
    move(world, "D0001", "REACH")

    run(job)

    job = Job.objects.get(pk=job.pk)
    assert job.status == Job.Status.FAILED or job.has_expired
    if was == Job.Status.PENDING:
        assert "program has changed" in job.failure
        assert not job.shards.exists()
