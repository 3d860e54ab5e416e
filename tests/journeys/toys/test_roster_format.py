"""A roster format that an app of EXTRA_APPS adds: its files are uploaded in the portal, and their claims exported."""

import html

import pytest

from attribution import synthetic
from attribution.models import RosterFile
from credentials.models import Membership, Organization, Role
from exports.intake.sandbox import load_synthetic_claims
from tests.journeys.conftest import Running
from tests.journeys.person import Person
from tests.journeys.test_export_over_http import END, SEED, START, Caller
from tests.toys.program import PROGRAM
from tests.world import World

pytestmark = pytest.mark.journey

SITE = "/organizations/TOY-00001/attribution"
HARBOR = "/organizations/A9994/attribution"
PEOPLE = list(synthetic.people(SEED, 4))


@pytest.fixture
def toys(running_with) -> Running:
    return running_with({"EXTRA_APPS": "tests.toys.apps.ToysConfig"})


@pytest.fixture
def world(toys) -> World:
    """The delegate of Harbor is also a team member of a site of the toy program."""
    it = World()
    it.site = Organization.objects.create(entity_id="TOY-00001", name="First Site", **Organization.columns_of(PROGRAM))
    Membership.objects.create(organization=it.site, user=it.delegate, role=Role.DUA_CUSTODIAN)
    return it


@pytest.fixture
def delegate(toys, world) -> Person:
    return Person(toys.base_url).signed_in_as(world.delegate)


def patient_list(mbis: list[str]) -> bytes:
    return "\n".join(["name,MBI", *(f"Ada,{mbi}" for mbi in mbis)]).encode()


def upload(delegate: Person, to: str, name: str, content: bytes) -> str:
    """What the last page says: a roster that can be published is."""
    answer = delegate.upload(f"{to}/new", name, content)
    if answer.is_redirect and "Publish roster" in delegate.get(answer.headers["Location"]).text:
        answer = delegate.press(answer.headers["Location"], "publish")
    return html.unescape(delegate.get(answer.headers["Location"]).text if answer.is_redirect else answer.text)


def test_a_list_that_does_not_say_whose_it_is_is_uploaded_and_its_claims_are_exported(toys, world, delegate):
    mbis = [person.mbi for person in PEOPLE]

    form = html.unescape(delegate.get(f"{SITE}/new").text)
    first = upload(delegate, SITE, "patients.csv", patient_list(mbis[:2]))
    second = upload(delegate, SITE, "patients.csv", patient_list(mbis[1:]))
    load_synthetic_claims(PEOPLE, seed=SEED, start_date=START, end_date=END, source="a test")
    api = world.api_client(world.site)
    caller = Caller(toys.base_url, api.client.client_id, api.secret)
    assert caller.sign_in().status_code == 200
    resources = caller.resources(caller.export("/api/v2/Patient/$export?_type=Patient"))

    assert "A patient list of TOY-00001: text with commas" in form
    for page in (first, second):
        assert "Roster published" in page
        assert "Created by CMS" not in page
    rosters = RosterFile.objects.for_organization(world.site).published().order_by("pk")
    assert [(each.file_name, each.beneficiary_count, each.joined_count, each.left_count) for each in rosters] == [
        ("patients.csv", 2, 2, 0),
        ("patients.csv", 3, 2, 1),
    ]
    assert [each.received_from for each in rosters] == [world.delegate] * 2
    exported = {identifier["value"] for each in resources for identifier in each["identifier"]}
    assert exported & set(mbis) == set(mbis[1:])


def test_a_bad_list_is_refused_with_the_place_and_the_formats_own_words(world, delegate):
    page = upload(delegate, SITE, "patients.csv", b"name,MBI\nAda,1S00A00AA00\nBeatrice,1S00A00AAXX\nCarla\n")

    assert "Roster refused" in page
    assert "Character 10 of an MBI must be a digit" in page
    assert "The line is too short: it has no MBI." in page
    places = [(each["line"], each["column"]) for each in RosterFile.objects.get().problems]
    assert places == [(3, 19), (4, 1)]


def test_an_organization_of_another_program_can_not_load_it(world, delegate):
    form = delegate.get(f"{HARBOR}/new").text

    page = upload(delegate, HARBOR, "patients.csv", patient_list([PEOPLE[0].mbi]))

    assert "patient list" not in form
    assert "The file is a patient list, which Medicare Shared Savings Program does not use." in page
    assert RosterFile.objects.get().status == RosterFile.Status.REFUSED


def test_the_command_asks_whose_it_is(toys, world, tmp_path):
    path = tmp_path / "patients.csv"
    path.write_bytes(patient_list([person.mbi for person in PEOPLE]))

    said = toys.manage("load_roster", str(path), "--organization", "TOY-00001")

    assert "patients.csv: published for TOY-00001" in said
    assert RosterFile.objects.get().organization == world.site


def test_what_is_no_roster_is_refused_at_the_field_with_all_that_would_be_one(world, delegate):
    page = upload(delegate, SITE, "roster.pdf", b"%PDF-1.7\n")

    assert "'roster.pdf' is not a patient list: text with commas, and with the title MBI in its first line." in page
    assert "And it is not the name of a CCLF archive" in page
    assert not RosterFile.objects.exists()
