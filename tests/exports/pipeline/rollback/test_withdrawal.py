"""When a roster is rolled back, exports with it are cancelled or withdrawn, and others go on."""

import pytest

from attribution.loading import roll_back
from credentials.actor import Actor
from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports import storage
from exports.models import Job
from exports.pipeline import expire, plan
from tests.exports.store import load, patient, run, start

pytestmark = pytest.mark.usefixtures("unhurried")


@pytest.fixture
def people(world) -> list[str]:
    mbis = world.beneficiaries(4)
    load({mbi: [patient(mbi)] for mbi in mbis})
    return mbis


def test_finished_exports_are_withdrawn_and_their_files_removed(world, people) -> None:
    world.roster(world.harbor, people[:2])
    before = run(start(world.harbor))
    wrong = world.roster(world.harbor, people)
    job = run(start(world.harbor))
    name = job.files.get().name

    roll_back(wrong, reason="Wrong.", by=Actor(user=world.colleague))
    expire.expire()

    job.refresh_from_db()
    before.refresh_from_db()
    assert (job.status, before.status) == (Job.Status.EXPIRED, Job.Status.COMPLETED)
    assert job.has_expired
    assert job.withdrawn_at is not None
    assert job.files_removed_at is not None
    with pytest.raises(FileNotFoundError):
        storage.opened(job.pk, name)
    event = AuditEvent.objects.get(action=Action.EXPORT_WITHDRAWN)
    assert (event.user, event.detail) == (world.colleague, {"job": job.pk, "roster": wrong.pk})


@pytest.mark.parametrize("is_planned", [False, True])
def test_exports_under_way_are_cancelled(world, people, is_planned) -> None:
    wrong = world.roster(world.harbor, people)
    job = start(world.harbor)
    if is_planned:
        plan.plan(job.pk)

    roll_back(wrong, reason="Wrong.", by=Actor())

    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert AuditEvent.objects.filter(action=Action.EXPORT_CANCELLED, detail__job=job.pk).count() == 1
    assert not plan.plan(job.pk)


@pytest.mark.parametrize("column", ["more_roster_ids", "subtracted_roster_ids"])
def test_the_roster_can_be_one_of_several(world, people, column: str) -> None:
    right, wrong = world.roster(world.harbor, people[:1]), world.roster(world.harbor, people)
    job = start(world.harbor)
    Job.objects.filter(pk=job.pk).update(roster=right, **{column: [wrong.pk]})

    roll_back(wrong, reason="Wrong.", by=Actor())

    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED


def test_other_organizations_and_other_rosters_are_left_alone(world, people) -> None:
    world.roster(world.mesa, people)
    right = world.roster(world.harbor, people[:3])
    jobs = [start(world.mesa), start(world.harbor)]
    wrong = world.roster(world.harbor, people)

    roll_back(wrong, reason="Wrong.", by=Actor())

    assert {Job.objects.get(pk=job.pk).status for job in jobs} == {Job.Status.PENDING}
    assert jobs[1].roster == right


def test_the_api_says_410_and_why(world, people) -> None:
    wrong = world.roster(world.harbor, people)
    api = world.api_client().sign_in()
    job = run(start(world.harbor))
    file = job.files.get()

    roll_back(wrong, reason="Wrong.", by=Actor())

    for path in (f"/api/v2/jobs/{job.pk}", f"/data/{job.pk}/{file.name}"):
        answer = api.get(path)
        assert answer.status_code == 410
        assert "its roster was rolled back" in answer.json()["issue"][0]["diagnostics"]
