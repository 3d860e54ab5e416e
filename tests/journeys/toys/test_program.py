"""A program that an app of EXTRA_APPS adds: its organizations are created, get tokens, and export what it allows."""

import datetime as dt
from collections.abc import Iterator

import httpx
import pytest
from django.conf import settings
from django.test import Client as Browser

from attribution import synthetic
from credentials.actor import Actor
from credentials.models import Organization
from credentials.operators import operator_tokens
from exports.intake.sandbox import load_synthetic_claims
from tests.journeys.conftest import Running
from tests.journeys.test_export_over_http import Caller
from tests.world import HOME_ADDRESS, World, sign_in

pytestmark = pytest.mark.journey

SEED = 7
TODAY = dt.datetime.now(dt.UTC).date()
ORGANIZATIONS = "/admin-api/organizations"
SITE, NAME = "TOY-00001", "First Site"


@pytest.fixture
def toys(running_with) -> Running:
    return running_with({"EXTRA_APPS": "tests.toys.apps.ToysConfig"})


@pytest.fixture
def world(toys) -> World:
    return World()


@pytest.fixture
def operator(toys, world) -> Iterator[httpx.Client]:
    """A system that calls the administration API."""
    token = operator_tokens.create_token(name="Inventory", by=Actor(user=world.operator))
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": HOME_ADDRESS}
    with httpx.Client(base_url=toys.base_url, headers=headers, timeout=30) as it:
        yield it


def create(operator: httpx.Client, entity_id: str, program: str) -> httpx.Response:
    return operator.post(ORGANIZATIONS, json={"entity_id": entity_id, "name": NAME, "program": program})


def caller_of(operator: httpx.Client, base_url: str, entity_id: str) -> Caller:
    """A new client of an organization, which has an access token."""
    facts = {"name": "Nightly download", "addresses": [HOME_ADDRESS]}
    made = operator.post(f"{ORGANIZATIONS}/{entity_id}/clients", json=facts).json()
    caller = Caller(base_url, made["client_id"], made["client_secret"])
    assert caller.sign_in().status_code == 200
    return caller


def test_an_export_goes_back_as_far_as_the_program_says(toys, world, operator, tmp_path):
    people = list(synthetic.people(SEED, 6))
    roster = tmp_path / "our patients.csv"
    roster.write_text("".join(f"{line}\n" for line in ["MBI", *(person.mbi for person in people)]))

    made = create(operator, SITE, "TRIAL")
    loaded = toys.manage("load_roster", str(roster), "--organization", SITE)
    load_synthetic_claims(
        people, seed=SEED, start_date=TODAY.replace(year=TODAY.year - 2, day=1), end_date=TODAY, source="x"
    )
    world.roster(world.harbor, [person.mbi for person in people])
    site, harbor = (caller_of(operator, toys.base_url, entity_id) for entity_id in (SITE, "A9994"))
    theirs, everything = (each.resources(each.export()) for each in (site, harbor))

    assert made.status_code == 201
    assert made.json()["program"] == "TRIAL"
    assert "6 beneficiaries" in loaded
    this_year = f"{TODAY.year}-01-01"
    since, before = claims(everything, since=this_year), claims(everything, before=this_year)
    assert since
    assert before
    assert claims(theirs) == since
    assert {resource["resourceType"] for resource in theirs} == {"Patient", "ExplanationOfBenefit"}
    assert {resource["resourceType"] for resource in everything} == {"Patient", "ExplanationOfBenefit", "Coverage"}


def claims(resources: list[dict], *, since: str = "", before: str = "9999") -> set[str]:
    """The IDs of the claims for services in a time."""
    found = (each for each in resources if each["resourceType"] == "ExplanationOfBenefit")
    return {each["id"] for each in found if since <= each["billablePeriod"]["end"] < before}


def test_its_entity_ids_are_its_own(toys, world, operator):
    answers = [create(operator, *each) for each in ((SITE, "SSP"), ("A0001", "TRIAL"), ("TOY-1", "TRIAL"))]

    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert "A0001 isn’t an entity ID of Toy Care Trial. Use one like TOY-00001." in answers[1].text
    assert Organization.objects.count() == 2


def test_it_is_chosen_in_a_command_and_in_the_administration(toys, world):
    said = toys.manage("create_organization", SITE, "--name", NAME, "--program", "TRIAL", "--by", world.operator.email)
    session = sign_in(Browser(), world.operator).cookies[settings.SESSION_COOKIE_NAME].value
    with httpx.Client(
        base_url=toys.base_url,
        cookies={settings.SESSION_COOKIE_NAME: session},
        headers={"X-Forwarded-For": HOME_ADDRESS},
        timeout=30,
    ) as browser:
        form, organizations = (browser.get(f"/admin/credentials/organization/{each}") for each in ("add/", ""))

    assert said == f"Made: {SITE} {NAME}.\n"
    made = Organization.objects.get(entity_id=SITE)
    assert (made.program_code, made.code_before) == ("TRIAL", "")
    assert '<option value="TRIAL">Toy Care Trial</option>' in form.text
    assert organizations.text.count("Toy Care Trial") == 2  # the filter, and the organization


def test_without_its_app_its_organizations_get_nothing(running, toys, operator):
    """As if the app were taken out of EXTRA_APPS: its program is unknown, so no rules say what they may get."""
    create(operator, SITE, "TRIAL")
    site = caller_of(operator, toys.base_url, SITE)
    elsewhere = Caller(running.base_url, *site.credentials)

    refused = elsewhere.sign_in()

    assert refused.status_code == 403
    assert "TOY-00001 isn't an entity ID of its program" in refused.json()["error_description"]
