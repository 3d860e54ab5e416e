"""A roster is checked in the portal, and then published, approved or discarded by the team."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from attribution import cohorts, loading
from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.models import Membership, Notice, Organization
from portal.mail import emails
from tests.attribution.archives import MBIS, NAME, archive

ATTRIBUTION = "/organizations/A9994/attribution"
OCTOBER = "P.BCD.A9994.ZCY26.D261001.T1000000"


def upload(browser, mbis=MBIS[:3], name: str = NAME) -> RosterFile:
    browser.post(f"{ATTRIBUTION}/new", {"file": SimpleUploadedFile(name, archive(name, mbis).getvalue())})
    return RosterFile.objects.latest("pk")


@pytest.fixture
def october(world) -> RosterFile:
    return loading.load_roster(archive(OCTOBER, MBIS[:15]), file_name=OCTOBER, by=Actor())


def test_an_upload_shows_a_preview_and_changes_nothing(delegate, world, october, read):
    roster = upload(delegate, MBIS[1:16])

    page = read(delegate.get(f"{ATTRIBUTION}/{roster.pk}"))
    rosters = read(delegate.get(ATTRIBUTION))

    for words in (
        "Check this roster",
        "Nothing is published yet. Exports use the roster of Oct 1, 2026 until you publish this one.",
        "Beneficiaries 15 Joined 1 Left 1 Unchanged 14",
        "Joined •••••••AA15",
        "Left •••••••AA00",
        "Publish roster",
        "Discard roster",
    ):
        assert words in page.text
    assert not any(mbi in page.text for mbi in MBIS)
    assert "Not published yet" in rosters.text
    assert cohorts.current_roster(world.harbor) == october


def test_any_team_member_publishes_it(delegate, colleague, world, read):
    roster = upload(delegate)

    page = read(colleague.post(f"{ATTRIBUTION}/{roster.pk}/publish", follow=True))
    again = read(colleague.post(f"{ATTRIBUTION}/{roster.pk}/publish", follow=True))

    assert "Roster published" in page.text
    assert f"by {world.colleague}" in page.text
    assert "Nothing was published. This roster was already published." in again.text
    assert cohorts.current_roster(world.harbor) == roster


def test_it_is_discarded(delegate, world, read):
    roster = upload(delegate)

    rosters = read(delegate.post(f"{ATTRIBUTION}/{roster.pk}/discard", follow=True))
    page = read(delegate.get(f"{ATTRIBUTION}/{roster.pk}"))

    assert f"{NAME} was discarded." in rosters.text
    assert "Roster discarded" in page.text
    assert "This roster was never published." in page.text
    assert not roster.entries.exists()


def test_a_large_change_takes_a_reason_and_another_team_member(delegate, colleague, world, october, read):
    roster = upload(delegate)
    page = f"{ATTRIBUTION}/{roster.pk}"

    at_first = read(delegate.get(page))
    alone = read(delegate.post(f"{page}/publish", follow=True))
    without_reason = delegate.post(f"{page}/approval", {"reason": ""})
    asked = read(delegate.post(f"{page}/approval", {"reason": "Two practices left."}, follow=True))
    own = read(delegate.post(f"{page}/publish", follow=True))
    approval = read(colleague.get(page))
    done = read(colleague.post(f"{page}/publish", follow=True))

    assert "0 joined and 12 left since the roster of Oct 1, 2026: 80% of it." in at_first.text
    assert "Ask for approval" in at_first.text
    assert "Publish roster" not in at_first.text
    assert "ask another team member to approve it" in alone.text
    assert without_reason.status_code == 400
    assert "Give the reason." in read(without_reason).errors_of("id_reason")
    assert "Another team member has to approve it." in asked.text
    assert "Approve and publish roster" not in asked.text
    assert "another team member has to give it" in own.text
    assert "Approve and publish roster" in approval.text
    assert "Two practices left." in approval.text
    assert "Roster published" in done.text
    assert cohorts.current_roster(world.harbor) == roster


def test_the_only_team_member_is_sent_to_the_operators(delegate, world, october, read):
    Membership.objects.filter(user=world.colleague).delete()
    roster = upload(delegate)

    asked = read(delegate.post(f"{ATTRIBUTION}/{roster.pk}/approval", {"reason": "Why."}, follow=True))

    assert "You’re the only team member. Ask the Claimsgate operators to approve it." in asked.text


def test_the_list_tells_them_apart(delegate, world, october, read):
    november = upload(delegate, MBIS[:14])
    delegate.post(f"{ATTRIBUTION}/{november.pk}/publish")
    upload(delegate, ("bad",), "P.BCD.A9994.ZCY26.D261102.T1000000")
    waiting = upload(delegate, MBIS[:13], "P.BCD.A9994.ZCY26.D261103.T1000000")

    page = read(delegate.get(ATTRIBUTION)).text

    assert "In force: the roster of November 2026, for performance year 2026." in page
    for status in ("In force", "Superseded", "Refused", "Not published yet"):
        assert status in page
    assert waiting.status == RosterFile.Status.PREVIEWED


@pytest.mark.parametrize("act", ["publish", "approval", "discard"])
def test_strangers_and_denied_organizations_do_nothing(delegate, stranger, world, act):
    roster = upload(delegate)
    page = f"{ATTRIBUTION}/{roster.pk}/{act}"
    of_stranger = stranger.post(page, {"reason": "Mine."})
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    of_denied = delegate.post(page, {"reason": "Mine."})

    assert (of_stranger.status_code, of_denied.status_code) == (404, 403)
    assert RosterFile.objects.get().status == RosterFile.Status.PREVIEWED


def test_mails_say_what_happened_and_lead_to_the_roster(world, october):
    by = Actor(user=world.delegate)
    roster = loading.preview_roster(archive(NAME, MBIS[:3]), file_name=NAME, by=by)
    loading.ask_for_approval(roster, reason="Two practices left.", by=by)
    loading.approve(roster, by=Actor(user=world.colleague))
    loading.load_roster(archive(NAME, MBIS[:3]), file_name=NAME, by=Actor())

    mails = {
        (each.kind, each.user): emails.of_notice(each) for each in Notice.objects.filter(kind__startswith="roster")
    }

    asked = mails["roster_needs_approval", world.colleague]
    assert asked.subject == "A roster is waiting for your approval (A9994)"
    assert "Two practices left." in asked.body
    assert f"{ATTRIBUTION}/{roster.pk}" in asked.body
    assert "0 joined and 12 left" in asked.body
    assert "roll it back now" in mails["roster_published", world.delegate].body
    assert "1 problem" in mails["roster_refused", world.delegate].body
    assert not any(mbi in mail.body for mail in mails.values() for mbi in MBIS)
