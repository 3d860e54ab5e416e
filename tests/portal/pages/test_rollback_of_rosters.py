"""A roster is rolled back in two clicks, with a reason."""

import pytest

from attribution import cohorts
from attribution.models import RosterFile
from credentials.models import Organization
from exports.models import Job

PAGE = "/organizations/A9994/attribution/{}"


@pytest.fixture
def rosters(world) -> list[RosterFile]:
    people = world.beneficiaries(4)
    return [world.roster(world.harbor, people), world.roster(world.harbor, people[:1])]


def test_two_clicks_and_a_reason(colleague, world, rosters, read) -> None:
    good, wrong = rosters
    page = read(colleague.get(PAGE.format(wrong.pk)))
    question = read(colleague.get(f"{PAGE.format(wrong.pk)}/rollback"))

    answer = read(colleague.post(f"{PAGE.format(wrong.pk)}/rollback", {"reason": "Wrong month."}, follow=True))

    assert "Roll back roster" in page.text
    assert "Roll back this roster?" in question.text
    assert "It has 4 beneficiaries." in question.text
    for words in ("Roster rolled back", "is in force again", "Wrong month.", str(world.colleague)):
        assert words in answer.text
    assert cohorts.current_roster(world.harbor) == good
    assert "Roll back roster" not in answer.text


def test_it_says_what_happens_to_exports(delegate, world, rosters, read) -> None:
    for status in (Job.Status.PENDING, Job.Status.COMPLETED):
        Job.objects.create(
            organization=world.harbor,
            version=2,
            scope=Job.Scope.PATIENT,
            resource_types=["Patient"],
            request_url="https://gate.example/",
            roster=rosters[1],
            status=status,
        )

    page = read(delegate.get(f"{PAGE.format(rosters[1].pk)}/rollback"))

    assert "1 export with this roster is cancelled." in page.text
    assert "The files of 1 finished export with this roster can no longer be downloaded." in page.text


def test_without_a_reason_nothing_happens(delegate, world, rosters, read) -> None:
    response = delegate.post(f"{PAGE.format(rosters[1].pk)}/rollback", {"reason": " "})

    assert response.status_code == 400
    assert "Give the reason." in read(response).errors_of("id_reason")
    assert cohorts.current_roster(world.harbor) == rosters[1]


def test_one_that_is_not_in_force_is_not_rolled_back(delegate, rosters, read) -> None:
    page = f"{PAGE.format(rosters[0].pk)}/rollback"

    asked, done = delegate.get(page, follow=True), delegate.post(page, {"reason": "Old."}, follow=True)

    for each in (asked, done):
        assert "Only the roster in force can be rolled back. Nothing was changed." in read(each).text
    assert RosterFile.objects.published().count() == 2


def test_a_stranger_and_a_denied_organization_cannot(stranger, delegate, world, rosters) -> None:
    page = f"{PAGE.format(rosters[1].pk)}/rollback"
    of_stranger = stranger.post(page, {"reason": "Mine."})
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    of_denied = delegate.post(page, {"reason": "Mine."})

    assert (of_stranger.status_code, of_denied.status_code) == (404, 403)
    assert RosterFile.objects.published().count() == 2
