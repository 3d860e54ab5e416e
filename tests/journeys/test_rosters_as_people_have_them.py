"""Rosters with the names and contents that CMS and browsers give them: uploaded in the portal, exported by a worker."""

import csv
import html
import io
import zipfile

import pytest

from attribution import synthetic
from attribution.models import RosterFile
from credentials.models import Membership, Role
from exports.intake.sandbox import load_synthetic_claims
from tests.attribution.archives import counts, records
from tests.journeys.person import Person
from tests.journeys.test_export_over_http import END, SEED, START, Caller
from tests.world import OrganizationFactory, World

pytestmark = pytest.mark.journey

PEOPLE = list(synthetic.people(SEED, 4))
MBIS = [person.mbi for person in PEOPLE]
DATE = "D261101.T1435560"


@pytest.fixture
def world(running) -> World:
    """The delegate of Harbor is also a team member of an organization of GUIDE, whose rosters are lists."""
    it = World()
    it.guide = OrganizationFactory(entity_id="GUIDE-9990", program_code="GUIDE", code_before="")
    Membership.objects.create(organization=it.guide, user=it.delegate, role=Role.DUA_CUSTODIAN)
    return it


@pytest.fixture
def delegate(running, world) -> Person:
    return Person(running.base_url).signed_in_as(world.delegate)


def archive_of_aco_ms(mbis: list[str], stated: int) -> bytes:
    """As ACO-MS names its files, packed again by a Mac, with names in an old encoding and the end of an old system."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        inside = f"a folder/P.A9994.ACO.ZC{{}}Y26.{DATE}"
        archive.writestr(inside.format("0"), b"|\n".join(counts(stated).split(b"\n")) + b"|")
        content = records(mbis, "PEÑA").decode().encode("latin-1").replace(b"\n", b"\r\n")
        archive.writestr(inside.format("8"), content + b"\x1a")
        archive.writestr(inside.format("9"), b"")
        archive.writestr(f"__MACOSX/._P.A9994.ACO.ZC8Y26.{DATE}", b"Mac OS X")
    return made.getvalue()


def upload(delegate: Person, entity_id: str, name: str, content: bytes) -> str:
    """What the last page says: a roster that waits to be published is."""
    answer = delegate.upload(f"/organizations/{entity_id}/attribution/new", name, content)
    if answer.is_redirect and "Publish roster" in delegate.get(path := answer.headers["Location"]).text:
        answer = delegate.http.post(f"{path}/publish", data={"csrfmiddlewaretoken": delegate.form_token(path)})
    return html.unescape(delegate.get(answer.headers["Location"]).text if answer.is_redirect else answer.text)


def exported(running, world, organization, people) -> set[str]:
    """The MBIs that an export of the organization has, after the claims of these beneficiaries have come."""
    load_synthetic_claims(people, seed=SEED, start_date=START, end_date=END, source="a test")
    api = world.api_client(organization)
    caller = Caller(running.base_url, api.client.client_id, api.secret)
    assert caller.sign_in().status_code == 200
    resources = caller.resources(caller.export("/api/v2/Patient/$export?_type=Patient"))
    return {identifier["value"] for each in resources for identifier in each["identifier"]}


def test_an_archive_of_aco_ms_is_published_with_its_warnings_and_exported(running, world, delegate):
    lines = [*MBIS[:3], MBIS[0]]

    page = upload(delegate, "A9994", f"P.A9994.ACO.ZCY26.{DATE} (1).zip", archive_of_aco_ms(lines, stated=5))

    roster = RosterFile.objects.published().get()
    assert (roster.file_name, roster.beneficiary_count) == (f"P.A9994.ACO.ZCY26.{DATE}", 3)
    assert "The file has 4 records, but CCLF0 states 5. Each record is whole." in page
    assert "1 beneficiary is on more than one line, for example on lines 1 and 4." in page
    assert exported(running, world, world.harbor, PEOPLE[:3]) & set(MBIS) == set(MBIS[:3])


def test_a_csv_roster_is_published_and_exported(running, world, delegate):
    content = "\ufeffMBIs,name\r\n" + "".join(f'"{mbi} ","Peña, A"\r\n' for mbi in MBIS[1:])

    form = html.unescape(delegate.get("/organizations/GUIDE-9990/attribution/new").text)
    page = upload(delegate, "GUIDE-9990", f"P.GUIDE.GUIDE-9990.Y26.{DATE}.csv", content.encode())

    assert "The CSV roster, with the name that CMS gave it. For example: P.GUIDE.GUIDE-9990.Y26." in form
    assert "Check before you rely on this roster" not in page
    assert RosterFile.objects.for_organization(world.guide).published().get().beneficiary_count == 3
    assert exported(running, world, world.guide, PEOPLE[1:]) & set(MBIS) == set(MBIS[1:])


def test_what_is_wrong_is_told_with_a_remedy_and_can_be_downloaded(running, world, delegate):
    good = archive_of_aco_ms(MBIS, stated=4)

    weekly = upload(delegate, "A9994", f"P.A9994.ACO.ZCWY26.{DATE}.zip", good)
    utf_16 = upload(delegate, "GUIDE-9990", f"P.GUIDE.GUIDE-9990.Y26.{DATE}.csv", "MBIs\n".encode("utf-16"))
    test_file = upload(delegate, "A9994", f"T.A9994.ACO.ZCY26.{DATE}.zip", good)
    broken_off = upload(delegate, "A9994", f"P.A9994.ACO.ZCY26.{DATE}.zip", good[:200])
    upload(delegate, "A9994", f"P.A9994.ACO.ZCY26.{DATE}.zip", archive_of_aco_ms([MBIS[0], "1S00A00AAXX"], stated=2))

    refused = RosterFile.objects.for_organization(world.harbor).latest("pk")
    path = f"/organizations/A9994/attribution/{refused.pk}"
    page, download = delegate.get(path), delegate.get(f"{path}/problems.csv")
    assert "is a weekly CCLF archive (ZCW). The roster comes with the monthly archive, whose name has ZCY26." in weekly
    assert "it is text in UTF-16. Download it again from CMS" in utf_16
    assert "This is a test file, but A9994 is not a sandbox. Choose the production file" in test_file
    assert "the download broke off at 200 bytes" in broken_off
    assert "Download the problems (CSV)" in page.text
    _, problem = csv.reader(download.text.splitlines())
    assert problem == [
        *(f"P.A9994.ACO.ZCY26.{DATE}", f"P.A9994.ACO.ZC8Y26.{DATE}", "2", "10"),
        "Character 10 of an MBI must be a digit. Here it is not.",
    ]
    assert not RosterFile.objects.published().exists()
