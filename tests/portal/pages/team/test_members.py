"""The pages on which members are changed and removed."""

import pytest
from django.test import Client as Browser

from credentials.models import AuditEvent, Client, Invitation, Membership, Role
from exports.models import Job
from portal.pages.team import views
from tests.exports.store import fill
from tests.portal.pages.team.invitation import TEAM, is_member
from tests.world import MembershipFactory


def remove(browser: Browser, member: Membership, **fields):
    return browser.post(f"{TEAM}/members/{member.pk}/remove", fields)


def test_a_removed_person_is_outside_at_the_next_click(delegate, browse, second):
    theirs = browse(second.user)
    before = theirs.get(TEAM).status_code

    done = remove(delegate, second)

    assert before == 200
    assert done["Location"] == TEAM
    assert {theirs.get(f"/organizations/A9994{path}").status_code for path in ("", "/team", "/exports")} == {404}


@pytest.mark.parametrize("fields", [{}, {"made": "keep"}, {"made": "revoke"}])
def test_what_the_person_made_is_shown_and_kept_unless_asked(delegate, world, second, read, fields):
    client = world.api_client(name="Vendor").client
    Client.objects.update(created_by=second.user)

    page = read(delegate.get(f"{TEAM}/members/{second.pk}/remove"))
    remove(delegate, second, **fields)

    assert "Vendor" in page.text
    assert "checked" in page.by_id["id_made_0"]
    client.refresh_from_db()
    assert (client.revoked_at is not None) is (fields.get("made") == "revoke")
    assert not is_member("second@harbor.example")


@pytest.mark.parametrize(("exports", "status"), [("keep", Job.Status.PENDING), ("cancel", Job.Status.CANCELLED)])
def test_running_exports_end_only_if_asked(delegate, world, second, exports, status):
    api = world.api_client()
    world.roster(world.harbor, world.beneficiaries(1))
    fill(world)
    Client.objects.update(created_by=second.user)
    fill(world)
    api.sign_in().kick_off()

    remove(delegate, second, made="revoke", exports=exports)

    assert Job.objects.get().status == status


def test_an_answer_that_was_not_offered_changes_nothing(delegate, second):
    assert remove(delegate, second, made="everything").status_code == 400

    assert is_member("second@harbor.example")


def test_the_last_one_cannot_leave_and_is_told_why(delegate, world, read):
    own = Membership.objects.get(organization=world.harbor, user=world.delegate)

    for _ in range(3):
        answer = delegate.post(f"{TEAM}/members/{own.pk}/remove", follow=True)

    assert "is the last team member who manages API credentials" in read(answer).text
    assert is_member("delegate@harbor.example")
    # Whoever tries on does not fill the trail.
    event = AuditEvent.objects.get(action="team.change_refused")
    assert (event.user, event.organization, event.outcome) == (world.delegate, world.harbor, "denied")
    assert event.detail["reason"] == "last_manager"
    assert "is the last team member" in event.detail["explanation"]


def test_who_leaves_is_led_away(browse, second):
    theirs = browse(second.user)

    answer = remove(theirs, second)

    assert answer["Location"] == "/organizations"
    assert not is_member("second@harbor.example")


def test_a_role_is_changed_on_its_page(browse, world, read):
    custodian = browse(world.stranger)
    other = MembershipFactory(organization=world.mesa, role=Role.EXECUTIVE_CONTACT)
    where = f"/organizations/D9990/team/members/{other.pk}/role"

    page = read(custodian.get(where))
    refused = custodian.post(where, {"role": Role.CREDENTIAL_DELEGATE})
    done = custodian.post(where, {"role": Role.DUA_REQUESTOR})

    assert "now Executive Contact" in page.text
    assert (refused.status_code, done.status_code) == (400, 302)
    other.refresh_from_db()
    assert other.role == Role.DUA_REQUESTOR


@pytest.mark.parametrize("action", ["role", "remove"])
def test_members_of_others_are_not_found(delegate, world, action):
    theirs = Membership.objects.get(organization=world.mesa)
    where = f"{TEAM}/members/{theirs.pk}/{action}"

    assert delegate.get(where).status_code == delegate.post(where, {"role": "dua_requestor"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.role == Role.DUA_CUSTODIAN


@pytest.mark.parametrize("action", ["resend", "withdraw"])
def test_invitations_of_others_are_not_found(stranger, world, link, mails, action):
    number = Invitation.objects.get().pk
    where = f"/organizations/D9990/team/invitations/{number}/{action}"

    assert stranger.get(where).status_code == stranger.post(where).status_code == 404
    assert Invitation.objects.get().is_open
    assert len(mails) == 1


def test_what_is_asked_first_is_not_done_by_looking(delegate, world, second, link, mails):
    number = Invitation.objects.get().pk
    for path in (f"invitations/{number}/resend", f"invitations/{number}/withdraw", f"members/{second.pk}/remove"):
        assert delegate.get(f"{TEAM}/{path}").status_code == 200

    assert is_member("second@harbor.example")
    assert Invitation.objects.get().is_open
    assert len(mails) == 1


def test_who_was_removed_while_the_page_was_open_changes_nothing(delegate, world, second, monkeypatch):
    """The check at the door and the deed are not one: the verb looks again."""
    from_before = Membership.objects.get(organization=world.harbor, user=world.delegate)

    def gone_meanwhile(*_arguments):
        Membership.objects.filter(pk=from_before.pk).delete()
        return original(*_arguments)

    original = views.verbs.made_by
    monkeypatch.setattr(views.verbs, "made_by", gone_meanwhile)

    assert remove(delegate, second).status_code == 404

    assert is_member("second@harbor.example")
