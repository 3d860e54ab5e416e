"""The page on which people are invited."""

import html

import pytest
from django.test import Client as Browser

from credentials.models import Invitation, Organization, Role
from portal.mail import tasks
from tests.portal.pages.team.invitation import LINK, TEAM, invite
from tests.world import sign_in


def test_a_person_is_invited_and_gets_a_mail(delegate, world, mails, read):
    answer = invite(delegate, "New@harbor.example", name="New Person")

    assert answer["Location"] == TEAM
    assert "We’re sending an invitation to New@harbor.example." in read(delegate.get(TEAM)).text
    (mail,) = mails
    assert mail.subject == "You are invited to join Harbor Care Alliance (A9994)"
    assert mail.to == ["New Person <New@harbor.example>"]
    assert "as Credential Delegate" in mail.body
    assert LINK.search(mail.body)
    (content,) = mail.alternatives
    assert LINK.search(html.unescape(content.content))


def test_the_broker_is_told_nothing_of_it(delegate, monkeypatch, django_capture_on_commit_callbacks):
    handed_over = []
    monkeypatch.setattr(tasks.send_mail, "delay", lambda **facts: handed_over.append(facts))

    with django_capture_on_commit_callbacks(execute=True):
        invite(delegate)

    assert handed_over == [{}]


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("", "Enter their email address."),
        ("nobody", "Enter a valid email address"),
        ("new@harbor.example\r\nBcc: all@x.example", "Enter a valid email address"),
        ("colleague@HARBOR.example", "is already a team member of Harbor Care Alliance."),
        ("taken@harbor.example", "is already invited."),
    ],
)
def test_a_mistake_is_told_at_the_field(delegate, mails, read, email, words):
    invite(delegate, "taken@harbor.example")

    answer = invite(delegate, email)

    assert answer.status_code == 400
    assert words in read(answer).errors_of("id_email")
    assert Invitation.objects.count() == len(mails) == 1


def test_a_name_cannot_bring_headers_or_markup_into_the_mail(delegate, mails):
    invite(delegate, name="New\r\nBcc: all@x.example <b>", role="owner")
    world_name = "Harbor\r\nBcc: all@x.example <img src=x>"
    Organization.objects.filter(entity_id="A9994").update(name=world_name)
    invite(delegate, "other@harbor.example")

    for mail in mails:
        assert mail.message()["Bcc"] is None
        assert "\n" not in mail.subject + "".join(mail.to)
    assert "<img" not in mails[1].alternatives[0].content


def test_where_a_program_has_several_roles_one_is_chosen(browse, world, mails, read):
    custodian = browse(world.stranger)
    where = "/organizations/D9990/team/invite"

    refused = custodian.post(where, {"email": "new@mesa.example"})
    foreign = custodian.post(where, {"email": "new@mesa.example", "role": Role.CREDENTIAL_DELEGATE})
    done = custodian.post(where, {"email": "new@mesa.example", "role": Role.EXECUTIVE_CONTACT})

    assert (refused.status_code, foreign.status_code, done.status_code) == (400, 400, 302)
    assert "Choose a role." in read(refused).text
    assert Invitation.objects.get().role == Role.EXECUTIVE_CONTACT


def test_an_old_proof_is_asked_for_again_and_the_input_waits(world, read):
    browser = sign_in(Browser(), world.delegate, ago=3600)

    answer = invite(browser)

    assert answer["Location"].startswith("/sign-in/again")
    assert not Invitation.objects.exists()


def test_while_the_mail_server_is_away_the_invitation_waits(delegate, mails, monkeypatch, read):
    def refuse(*_arguments, **_options):
        raise ConnectionRefusedError("no server")

    monkeypatch.setattr(tasks.emails, "send_invitation", refuse)

    answer = invite(delegate)

    assert answer.status_code == 302
    assert "Not sent" in read(delegate.get(TEAM)).text
