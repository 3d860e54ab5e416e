"""What the link of an invitation opens, and for how long."""

import re
from urllib.parse import unquote

from django.contrib.sessions.models import Session
from django.core import signing
from django.test import Client as Browser
from django.utils import timezone

from credentials.actor import Actor
from credentials.models import AuditEvent, Invitation, User
from credentials.people import invitations
from credentials.trail.audit import Action
from tests.portal.pages.team.invitation import EMAIL, JOIN, LINK, OVER, TEAM, accept, invite, is_member, refusals


def test_the_link_goes_into_the_session_and_the_session_does_not_hold_it(visitor, link):
    opened = visitor.get(link)
    page = visitor.get(opened["Location"])

    assert opened["Location"] == "/invitation"
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    token = unquote(link.partition("link=")[2])
    kept = [str(each.get_decoded()) for each in Session.objects.all()]
    assert kept
    assert not [session for session in kept if token in session]


def test_opening_it_changes_nothing(visitor, link):
    for _ in range(3):
        visitor.get(link, follow=True)

    assert Invitation.objects.open().count() == 1
    assert not User.objects.filter(email=EMAIL).exists()
    assert AuditEvent.objects.filter(action=Action.INVITATION_ACCEPTED).count() == 0


def bad_links(link: str, world, delegate) -> dict[str, str]:
    """Links that open nothing, by what is the matter with them."""
    invitation = Invitation.objects.get()

    def signed(*facts, salt=invitations.SALT) -> str:
        return "/invitation?link=" + signing.dumps(list(facts), salt=salt)

    return {
        "empty": "/invitation?link=",
        "none": "/invitation",
        "forged": link[:-4] + "AAAA",
        "cut": link[:40],
        "long": "/invitation?link=" + "x" * 9000,
        "binary": "/invitation?link=%00%ff%fe:%0d%0a",
        "unknown": signed(invitation.pk + 1000, invitation.nonce),
        "replaced": signed(invitation.pk, "another nonce"),
        "of another purpose": signed(invitation.pk, invitation.nonce, salt="mail"),
    }


def test_whatever_opens_nothing_gets_the_same_answer(world, link, delegate):
    answers = {}
    for name, bad in bad_links(link, world, delegate).items():
        browser = Browser()
        if bad != "/invitation":
            assert browser.get(bad)["Location"] == "/invitation"
        answers[name] = browser.get("/invitation")
        assert browser.post("/invitation", JOIN).status_code == 404
    accept(Browser(), link)
    answers["used"] = Browser().get(link, follow=True)
    invite(delegate, "b@harbor.example")
    withdrawn = invitations.token_of(Invitation.objects.open().get())
    invitations.withdraw(Invitation.objects.open().get(), by=Actor(user=world.delegate))
    answers["withdrawn"] = Browser().get("/invitation", {"link": withdrawn}, follow=True)

    pages = {
        re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode()) for answer in answers.values()
    }
    assert len(pages) == 1
    assert OVER in pages.pop()
    assert {answer.status_code for answer in answers.values()} == {404}
    assert not [name for name, answer in answers.items() if "Harbor" in answer.content.decode()]
    assert sorted(refusals()) == ["invitation_accepted", "invitation_replaced", "invitation_withdrawn"]


def test_a_forged_link_leaves_nothing_behind(link):
    browser = Browser()
    before = Session.objects.count(), AuditEvent.objects.count()

    browser.get("/invitation?link=forged", follow=True)

    assert (Session.objects.count(), AuditEvent.objects.count()) == before


def test_a_forged_link_takes_the_place_of_a_true_one(visitor, link):
    visitor.get(link)

    visitor.get("/invitation?link=forged")

    assert visitor.get("/invitation").status_code == 404


def test_after_48_hours_it_says_so_and_who_can_send_another(visitor, world, link, read):
    Invitation.objects.update(expires_at=timezone.now())

    answer = visitor.get(link, follow=True)
    posted = visitor.post("/invitation", {**JOIN, "invitation": Invitation.objects.get().pk})

    assert answer.status_code == posted.status_code == 410
    text = read(answer).text
    assert "This invitation has expired" in text
    assert str(world.delegate) in text
    assert not is_member()
    assert refusals() == ["invitation_expired"]


def test_sent_again_only_the_new_link_works(visitor, delegate, link, mails):
    number = Invitation.objects.get().pk

    done = delegate.post(f"{TEAM}/invitations/{number}/resend")
    new = LINK.search(mails[-1].body)[1]

    assert done["Location"] == TEAM
    assert len(mails) == 2
    assert visitor.get(link, follow=True).status_code == 404
    assert visitor.get(new, follow=True).status_code == 200


def test_a_withdrawn_link_opens_nothing_even_where_it_was_opened_before(visitor, delegate, link):
    visitor.get(link)
    number = Invitation.objects.get().pk

    delegate.post(f"{TEAM}/invitations/{number}/withdraw")
    answer = visitor.post("/invitation", {**JOIN, "invitation": number})

    assert answer.status_code == 404
    assert not is_member()


def test_who_tries_often_has_to_wait(settings, link):
    settings.LIMIT_SIGN_INS_PER_ADDRESS = 3
    browser = Browser(REMOTE_ADDR="9.9.9.9")

    answers = [browser.get(f"/invitation?link={number}") for number in range(4)]

    assert [answer.status_code for answer in answers] == [302, 302, 302, 429]
    assert int(answers[3]["Retry-After"]) > 0
    assert Browser(REMOTE_ADDR="8.8.4.4").get(link).status_code == 302
