"""Which kinds of data the portal offers, and to whom."""

import pytest

from exports import tasks
from exports.models import Job
from tests.exports.store import fill

ADJUDICATED = ["Patient", "Coverage", "ExplanationOfBenefit"]
PARTIALLY_ADJUDICATED = ["Claim", "ClaimResponse"]
HARBOR, MESA = "/organizations/A9994/exports/new", "/organizations/D9990/exports/new"


@pytest.fixture(autouse=True)
def _rosters(world, monkeypatch):
    """Both organizations have people; nobody is told of a job."""
    monkeypatch.setattr(tasks, "call_planner", lambda *_arguments: None)
    for organization in (world.harbor, world.mesa):
        world.roster(organization, world.beneficiaries(1))
    fill(world)


def offered(browser, path: str) -> list[str]:
    field = browser.get(path).context["form"].fields["resource_types"]
    assert list(field.initial) == [name for name, _ in field.choices]
    return [name for name, _ in field.choices]


def test_an_organization_is_offered_what_its_model_has(delegate, stranger):
    assert offered(delegate, HARBOR) == ADJUDICATED
    assert offered(stranger, MESA) == ADJUDICATED + PARTIALLY_ADJUDICATED


def test_every_kind_is_told_in_plain_words(stranger, read):
    page = read(stranger.get(MESA))

    assert "What was billed on claims that Medicare is still processing" in page.text
    assert "The processing status of those claims." in page.text


def test_who_may_have_partially_adjudicated_claims_starts_an_export_of_them(stranger):
    stranger.post(MESA, {"scope": "group_all", "resource_types": ["ClaimResponse", "Patient", "Claim"]})

    job = Job.objects.get()
    assert job.resource_types == ["Patient", "Claim", "ClaimResponse"]
    assert job.request_url == "http://testserver/api/v2/Group/all/$export?_type=Patient,Claim,ClaimResponse"


@pytest.mark.parametrize(
    "asked", [["Claim"], ["ClaimResponse"], ["Patient", "Claim"], [*ADJUDICATED, *PARTIALLY_ADJUDICATED], ["claim"]]
)
def test_a_made_up_form_does_not_bring_them_to_others(delegate, asked):
    response = delegate.post(HARBOR, {"scope": "group_all", "resource_types": asked})

    assert response.status_code == 400
    assert "resource_types" in response.context["form"].errors
    assert not Job.objects.exists()
