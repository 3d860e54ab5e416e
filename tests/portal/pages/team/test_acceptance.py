"""The way in of whoever is invited."""

from urllib.parse import urlsplit

import pytest
from django.contrib import auth
from django.test import Client as Browser

from credentials.models import Invitation, Membership, Role, User
from portal.sign_in import mail_addresses
from tests.portal.pages.team.invitation import EMAIL, JOIN, LINK, NEW_PASSWORD, accept, invite, is_member, refusals
from tests.world import PASSWORD, UserFactory


def test_a_new_person_reads_what_it_is_about_and_joins(visitor, link, read):
    visitor.get(link)
    page = read(visitor.get("/invitation"))
    done = accept(visitor, link)

    assert "Join Harbor Care Alliance" in page.text
    assert "as Credential Delegate" in page.text
    assert "HIPAA" in page.text
    assert done["Location"] == "/sign-in?next=%2Forganizations%2FA9994"
    person = User.objects.get(email=EMAIL)
    assert is_member()
    assert person.check_password(NEW_PASSWORD)
    assert mail_addresses.is_verified(person)
    assert auth.SESSION_KEY not in visitor.session
    assert visitor.get("/invitation").status_code == 404


def test_then_the_person_signs_in_and_is_asked_for_a_second_step(visitor, link):
    accept(visitor, link)

    inside = visitor.post("/sign-in", {"login": EMAIL, "password": NEW_PASSWORD, "next": "/organizations/A9994"})
    overview = visitor.get(inside["Location"])

    assert inside["Location"] == "/organizations/A9994"
    assert overview["Location"].startswith("/account/second-step")


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"responsibility": ""}, "To join, check this box."),
        ({"responsibility": []}, "To join, check this box."),
        ({"responsibility": "no"}, "To join, check this box."),
        ({"name": ""}, "Enter your name."),
        ({"password1": "short"}, "15"),
        ({"password1": EMAIL}, "similar"),
    ],
)
def test_nobody_joins_with_a_mistake(visitor, link, read, mistake, words):
    answer = accept(visitor, link, **mistake)

    assert answer.status_code == 400
    assert words in read(answer).text
    assert not User.objects.filter(email=EMAIL).exists()
    assert Invitation.objects.open().exists()


def test_a_person_whom_we_know_signs_in_first(visitor, world, delegate, mails, read):
    known = UserFactory(email="Known@harbor.example")
    invite(delegate, "known@harbor.example")
    link = LINK.search(mails[-1].body)[1]

    visitor.get(link)
    sent_away = visitor.get("/invitation")
    posted = visitor.post("/invitation", {**JOIN, "invitation": Invitation.objects.get().pk})
    entered = visitor.post("/sign-in", {"login": known.email, "password": PASSWORD, "next": "/invitation"})
    page = read(visitor.get(entered["Location"]))
    without = visitor.post("/invitation", {"invitation": Invitation.objects.get().pk})
    before = is_member(known.email)
    done = visitor.post("/invitation", {"invitation": Invitation.objects.get().pk, "responsibility": "taken"})

    assert sent_away["Location"] == posted["Location"] == "/sign-in?next=%2Finvitation"
    assert "Join Harbor Care Alliance" in page.text
    assert "id_password1" not in page.by_id
    assert without.status_code == 400
    assert not before
    assert done["Location"] == "/organizations/A9994"
    assert is_member(known.email)
    known.refresh_from_db()
    assert known.check_password(PASSWORD)


def test_somebody_else_who_is_signed_in_cannot_accept(browse, world, link, read):
    browser = browse(world.stranger)
    browser.get(link)

    page = browser.get("/invitation")
    posted = browser.post("/invitation", {**JOIN, "invitation": Invitation.objects.get().pk})

    assert page.status_code == posted.status_code == 403
    text = read(page).text
    assert "You’re signed in as custodian@mesa.example" in text
    assert EMAIL not in text
    assert "Harbor" not in text
    assert not is_member("custodian@mesa.example")
    assert refusals() == ["invitation_another_person"]


def test_what_was_sent_from_the_page_of_another_invitation_is_not_accepted(visitor, link, read):
    visitor.get(link)

    answer = visitor.post("/invitation", {**JOIN, "invitation": "1"})

    assert answer.status_code == 200
    assert "Join Harbor Care Alliance" in read(answer).text
    assert not is_member()


def test_a_form_that_another_site_has_sent_is_not_accepted(link):
    browser = Browser(enforce_csrf_checks=True)
    browser.get(link)

    answer = browser.post("/invitation", {**JOIN, "invitation": Invitation.objects.get().pk})

    assert answer.status_code == 403
    assert not is_member()


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_it_leads_nowhere_else(visitor, link, elsewhere):
    opened = visitor.get(f"{link}&next={elsewhere}")
    done = visitor.post(
        f"/invitation?next={elsewhere}", {**JOIN, "invitation": Invitation.objects.get().pk, "next": elsewhere}
    )

    assert opened["Location"] == "/invitation"
    assert urlsplit(done["Location"]).netloc == ""
    assert "evil" not in done["Location"]


def test_of_two_that_were_opened_the_latter_counts(visitor, link, browse, world, mails):
    browse(world.stranger).post("/organizations/D9990/team/invite", {"email": EMAIL, "role": Role.EXECUTIVE_CONTACT})
    theirs = LINK.search(mails[-1].body)[1]
    visitor.get(link)

    accept(visitor, theirs)

    assert not is_member()
    assert Membership.objects.get(user__email=EMAIL).organization == world.mesa
