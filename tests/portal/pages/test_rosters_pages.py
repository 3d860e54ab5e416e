import csv
import datetime as dt
import random

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F

from attribution import synthetic
from attribution.models import RosterEntry, RosterFile
from credentials.models import AuditEvent, Organization
from credentials.trail import audit
from credentials.trail.audit import Action
from tests.attribution import archives

ATTRIBUTION = "/organizations/A9994/attribution"
NOVEMBER = dt.datetime(2026, 11, 1, 10, 0, tzinfo=dt.UTC)
OCTOBER = dt.datetime(2026, 10, 1, 10, 0, tzinfo=dt.UTC)


def roster_file(
    people, *, timestamp=NOVEMBER, entity_id="A9994", name: str | None = None, is_test=False
) -> SimpleUploadedFile:
    content = synthetic.cclf_archive(
        people, entity_id=entity_id, performance_year=2026, timestamp=timestamp, is_test=is_test
    )
    return SimpleUploadedFile(name or synthetic.cclf_archive_name(entity_id, 2026, timestamp, is_test=is_test), content)


def publish(browser, file: SimpleUploadedFile):
    """Upload a file and publish it from its preview."""
    preview = browser.post(f"{ATTRIBUTION}/new", {"file": file})
    return browser.post(f"{preview['Location']}/publish", follow=True)


@pytest.fixture
def people():
    return list(synthetic.people(20, 5))


def test_a_good_file_is_published_and_its_numbers_are_shown(delegate, world, people, read):
    publish(delegate, roster_file(people[:4], timestamp=OCTOBER))

    response = publish(delegate, roster_file(people[1:]))

    roster = RosterFile.objects.published().latest("id")
    page = read(response)
    assert response.redirect_chain[-1][0] == f"{ATTRIBUTION}/{roster.pk}"
    assert (roster.beneficiary_count, roster.joined_count, roster.left_count) == (4, 1, 1)
    for words in ("Roster published", "Beneficiaries 4", "Joined 1", "Left 1", roster.file_name, str(world.delegate)):
        assert words in page.text
    assert roster.received_from == world.delegate
    assert AuditEvent.objects.filter(action=audit.Action.ROSTER_PUBLISHED, user=world.delegate).count() == 2


def test_the_warnings_of_a_roster_are_on_its_page(delegate, world, people, read):
    publish(delegate, roster_file([*people, people[0]]))

    roster = RosterFile.objects.published().get()
    page = read(delegate.get(f"{ATTRIBUTION}/{roster.pk}"))

    assert "Check before you rely on this roster" in page.text
    assert "1 beneficiary is on more than one line, for example on lines 1 and 6." in page.text


def test_the_attribution_page_shows_the_current_roster_and_those_before(delegate, people, read):
    publish(delegate, roster_file(people, timestamp=OCTOBER))
    publish(delegate, roster_file(people[:3]))

    page = read(delegate.get(ATTRIBUTION))

    assert (
        "In force: the roster of November 2026, for performance year 2026. Beneficiaries 3 Joined 0 Left 2" in page.text
    )
    assert "Created by CMS Nov 1, 2026, 10:00 UTC" in page.text
    for timestamp in (OCTOBER, NOVEMBER):
        assert synthetic.cclf_archive_name("A9994", 2026, timestamp, is_test=False) in page.text


def test_no_date_of_cms_is_shown_for_a_file_that_says_none(delegate, world, read):
    roster = world.roster(world.harbor, [])
    dated = read(delegate.get(f"{ATTRIBUTION}/{roster.pk}")).text
    RosterFile.objects.filter(pk=roster.pk).update(file_timestamp=F("received_at"))

    undated = read(delegate.get(f"{ATTRIBUTION}/{roster.pk}")).text

    assert "Created by CMS" in dated
    assert "Created by CMS" not in undated
    assert "Published" in undated


def test_a_bad_file_is_refused_with_the_place_and_the_reason_and_changes_nothing(delegate, people, read):
    wrong = roster_file(
        people, entity_id="D9990", name=synthetic.cclf_archive_name("A9994", 2026, NOVEMBER, is_test=False)
    )

    response = delegate.post(f"{ATTRIBUTION}/new", {"file": wrong}, follow=True)

    roster = RosterFile.objects.get()
    page = read(response)
    assert roster.status == RosterFile.Status.REFUSED
    for words in (
        "Roster refused",
        "Nothing was changed",
        "Problems found",
        "What to do",
        roster.problems[0]["reason"],
    ):
        assert words in page.text
    assert not RosterEntry.objects.exists()


@pytest.mark.parametrize("offset", [2**62, 2**64 - 1])
@pytest.mark.parametrize("padding", [0, 3 * 2**20])  # kept in memory, or in a file
def test_an_archive_whose_directory_points_far_outside_is_refused(delegate, offset, padding):
    content = archives.zip64(offset, padding=random.Random(1).randbytes(padding))

    response = delegate.post(f"{ATTRIBUTION}/new", {"file": SimpleUploadedFile(archives.NAME, content)})

    assert response.status_code == 302
    roster, event = RosterFile.objects.get(), AuditEvent.objects.get(action=Action.ROSTER_REFUSED)
    assert roster.status == RosterFile.Status.REFUSED
    assert "The archive is damaged or incomplete: its directory, or a file, is not where it should be." in str(
        roster.problems
    )
    assert (event.organization, event.detail["roster"]) == (roster.organization, roster.pk)
    assert not RosterEntry.objects.exists()


def test_a_test_file_is_refused_with_where_to_turn(delegate, people, read):
    response = delegate.post(f"{ATTRIBUTION}/new", {"file": roster_file(people, is_test=True)}, follow=True)

    assert "This is a test file, but A9994 is not a sandbox." in read(response).text
    assert not RosterFile.objects.published().exists()


def test_whatever_happens_to_an_archive_on_its_way_the_page_answers(delegate):
    dice = random.Random(20261127)
    whole = archives.archive(mbis=archives.MBIS).getvalue()
    for number in range(1, 41):
        broken = bytearray(whole if number % 2 else archives.zip64(dice.choice((2**62, 2**64 - 1))))
        for _ in range(3):
            broken[dice.randrange(len(broken))] = dice.randrange(256)

        response = delegate.post(f"{ATTRIBUTION}/new", {"file": SimpleUploadedFile(archives.NAME, bytes(broken))})

        assert response.status_code == 302
        assert RosterFile.objects.count() == number
        assert AuditEvent.objects.filter(action__in=[Action.ROSTER_REFUSED, Action.ROSTER_PREVIEWED]).count() == number


def test_the_problems_stand_in_a_table_by_file_line_and_column(delegate, world, read):
    roster = world.roster(world.harbor, [])
    RosterFile.objects.filter(pk=roster.pk).update(
        status=RosterFile.Status.REFUSED,
        problems=[
            {"file": "P.BCD.A9994.ZC8Y26.D261101.T1000000", "line": 17, "column": 12, "reason": "No such code."},
            {"file": "P.BCD.A9994.ZC0Y26.D261101.T1000000", "line": None, "column": None, "reason": "Too few."},
        ],
    )

    page = read(delegate.get(f"{ATTRIBUTION}/{roster.pk}"))

    assert "File Line Column Reason" in page.text
    assert "P.BCD.A9994.ZC8Y26.D261101.T1000000 17 12 No such code." in page.text
    assert "P.BCD.A9994.ZC0Y26.D261101.T1000000 – – Too few." in page.text


def refused_roster(world, *problems):
    roster = world.roster(world.harbor, [])
    RosterFile.objects.filter(pk=roster.pk).update(status=RosterFile.Status.REFUSED, problems=list(problems))
    return roster


def test_the_problems_can_be_downloaded(delegate, world, read):
    bad_line = {"file": "P.BCD.A9994.ZC8Y26", "line": 17, "column": 12, "reason": 'A "quoted", reason.'}
    formula = {"file": "=cmd|' /C calc'!A0", "line": None, "column": None, "reason": "+Too few."}
    roster = refused_roster(world, bad_line, formula)
    page = read(delegate.get(f"{ATTRIBUTION}/{roster.pk}"))

    response = delegate.get(f"{ATTRIBUTION}/{roster.pk}/problems.csv")

    assert "Download the problems (CSV)" in page.text
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="A9994-problems-{roster.pk}.csv"'
    assert list(csv.reader(response.content.decode().splitlines())) == [
        ["roster", "file", "line", "column", "reason"],
        [roster.file_name, "P.BCD.A9994.ZC8Y26", "17", "12", 'A "quoted", reason.'],
        [roster.file_name, "'=cmd|' /C calc'!A0", "", "", "'+Too few."],
    ]


def test_the_problems_of_a_roster_that_has_none_or_of_another_organization_are_not_there(delegate, stranger, world):
    published = world.roster(world.harbor, [])
    refused = refused_roster(world, {"file": "file", "line": None, "column": None, "reason": "Too few."})

    assert delegate.get(f"{ATTRIBUTION}/{published.pk}/problems.csv").status_code == 404
    assert stranger.get(f"{ATTRIBUTION}/{refused.pk}/problems.csv").status_code == 404
    assert stranger.get(f"/organizations/D9990/attribution/{refused.pk}/problems.csv").status_code == 404


@pytest.mark.parametrize("line", [None, 17])
def test_cms_is_named_only_where_cms_alone_can_mend_it(delegate, world, read, line):
    roster = refused_roster(world, {"file": "file", "line": line, "column": line, "reason": "Why, and what to do."})

    page = read(delegate.get(f"{ATTRIBUTION}/{roster.pk}"))

    assert ("send this list to CMS" in page.text) == (line is not None)
    assert "ask CMS" not in page.text


def test_the_file_of_another_organization_is_refused(delegate, world, people, read):
    response = delegate.post(f"{ATTRIBUTION}/new", {"file": roster_file(people, entity_id="D9990")}, follow=True)

    assert "The file is for D9990" in read(response).text
    assert not RosterFile.objects.published().exists()
    assert not RosterFile.objects.for_organization(world.mesa).exists()


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (None, "Choose the roster file."),
        (("P.BCD.A9994.ZCY26.D261101.T1000000", b""), "This file is empty."),
        (("roster.csv", b"MBI\n"), "is not the name of a CCLF archive"),
    ],
)
def test_what_cannot_be_anyones_roster_is_said_at_the_field(delegate, read, file, reason):
    response = delegate.post(f"{ATTRIBUTION}/new", {"file": SimpleUploadedFile(*file)} if file else {})

    assert response.status_code == 400
    assert reason in read(response).errors_of("id_file")
    assert not RosterFile.objects.exists()


def test_the_page_says_which_file_the_organization_must_choose(delegate, stranger, read):
    ours, theirs = (
        read(who.get(f"/organizations/{entity_id}/attribution/new")).text
        for who, entity_id in ((delegate, "A9994"), (stranger, "D9990"))
    )

    assert "The CCLF archive, with the name that CMS gave it. For example: P.BCD.A9994.ZCY26.D261101.T1000000." in ours
    assert "For example: P.BCD.D9990.ZCY26.D261101.T1000000." in theirs


def test_a_stranger_cannot_hand_in_a_roster(stranger, people):
    response = stranger.post(f"{ATTRIBUTION}/new", {"file": roster_file(people)})

    assert response.status_code == 404
    assert not RosterFile.objects.exists()


def test_a_denied_organization_cannot_hand_in_a_roster(delegate, world, people):
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    response = delegate.post(f"{ATTRIBUTION}/new", {"file": roster_file(people)})

    assert response.status_code == 403
    assert not RosterFile.objects.exists()


def test_no_roster_yet_is_said_in_words(delegate, read):
    assert "No roster yet" in read(delegate.get(ATTRIBUTION)).text


def test_a_long_history_comes_in_pages(delegate, world, read):
    for _ in range(25):
        world.roster(world.harbor, [])

    first, second = read(delegate.get(ATTRIBUTION)), read(delegate.get(f"{ATTRIBUTION}?page=2"))

    assert "Page 1 of 2" in first.text
    assert "Page 2 of 2" in second.text
