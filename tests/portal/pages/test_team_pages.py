"""The pages of the team, and the way in of whoever is invited."""

import html
import re
from urllib.parse import unquote, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import auth
from django.contrib.sessions.models import Session
from django.core import signing
from django.test import Client as Browser
from django.utils import timezone

from credentials.models import AuditEvent, Client, Invitation, Membership, Organization, Role, User
from credentials.people import invitations
from credentials.trail.audit import Action
from exports.models import Job
from portal.mail import tasks
from portal.pages.team import views
from portal.sign_in import mail_addresses
from tests.journeys.browser.visitor import give_app
from tests.world import PASSWORD, MembershipFactory, UserFactory, sign_in

TEAM = "/organizations/A9994/team"
EMAIL = "new@harbor.example"
NEW_PASSWORD = "three small boats at dawn"
LINK = re.compile(r"http://localhost:8000(/invitation\?link=\S+)")
JOIN = {"name": "New Person", "password1": NEW_PASSWORD, "responsibility": "taken"}
OVER = "This link is no longer valid"


def invite(browser: Browser, email: str = EMAIL, **fields):
    return browser.post(f"{TEAM}/invite", {"email": email, **fields})


@pytest.fixture
def visitor(world) -> Browser:
    """The browser of whoever got the mail."""
    return Browser(REMOTE_ADDR="8.8.4.4")


@pytest.fixture
def link(delegate, mails) -> str:
    """The link of an invitation, as it was mailed."""
    invite(delegate)
    return LINK.search(mails[-1].body)[1]


def accept(visitor: Browser, link: str, **fields):
    visitor.get(link)
    return visitor.post("/invitation", {**JOIN, "invitation": Invitation.objects.latest("pk").pk, **fields})


def is_member(email: str = EMAIL) -> bool:
    return Membership.objects.filter(organization__entity_id="A9994", user__email=email).exists()


def refusals() -> list[str]:
    return [event.detail["reason"] for event in AuditEvent.objects.filter(action=Action.INVITATION_REFUSED)]


# --- The list -------------------------------------------------------------------------------------------------------


def test_it_shows_members_and_open_invitations(delegate, world, link, read):
    page = read(delegate.get(TEAM)).text

    assert f"{world.delegate} (you)" in page
    assert "colleague@harbor.example" in page
    assert "doesn’t manage API credentials" in page
    assert EMAIL in page
    assert "Sent" in page
    assert "custodian@mesa.example" not in page


def test_without_invitations_it_says_so(delegate, read):
    assert "There are no open invitations." in read(delegate.get(TEAM)).text


def test_who_does_not_manage_credentials_reads_and_changes_nothing(colleague, world, link):
    page = colleague.get(TEAM).content.decode()

    assert "You can view this page, but you can’t change it." in html.unescape(page)
    assert "/remove" not in page
    assert "/resend" not in page
    assert f"{TEAM}/invite" not in page


def test_a_second_step_counts_and_recovery_codes_alone_do_not(delegate, world):
    def answers() -> list[str]:
        return re.findall(r'data-label="Two-factor authentication">(\w+)<', delegate.get(TEAM).content.decode())

    before = answers()
    Authenticator.objects.create(user=world.colleague, type=Authenticator.Type.RECOVERY_CODES, data={})
    with_codes = answers()
    give_app(world.delegate)

    assert before == with_codes == ["Off", "Off"]
    assert sorted(answers()) == ["Off", "On"]


def test_it_asks_the_database_the_same_however_many_there_are(delegate, world, django_assert_max_num_queries):
    MembershipFactory.create_batch(15, organization=world.harbor)

    with django_assert_max_num_queries(14):
        delegate.get(TEAM)


# --- To invite ------------------------------------------------------------------------------------------------------


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


def test_the_broker_is_told_nothing_of_it(delegate, monkeypatch):
    handed_over = []
    monkeypatch.setattr(tasks.send_invitations, "delay", lambda **facts: handed_over.append(facts))

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


# --- The link -------------------------------------------------------------------------------------------------------


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
    invitations.withdraw(Invitation.objects.open().get(), by=world.delegate)
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


# --- To accept ------------------------------------------------------------------------------------------------------


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


# --- Members --------------------------------------------------------------------------------------------------------


@pytest.fixture
def second(world) -> Membership:
    return MembershipFactory(organization=world.harbor, user__email="second@harbor.example")


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
    Client.objects.update(created_by=second.user)
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
    assert "is the last team member" in event.detail["reason"]


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
