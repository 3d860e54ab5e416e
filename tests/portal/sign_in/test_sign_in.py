import re
import statistics
import time

import pytest
from django.conf import global_settings
from django.contrib import auth
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import Client as Browser

from credentials.models import AuditEvent, Organization
from credentials.trail.audit import Action
from portal.sign_in import mail_addresses
from tests.world import PASSWORD, UserFactory

DELEGATE = {"login": "delegate@harbor.example", "password": PASSWORD}


@pytest.fixture(autouse=True)
def _without_a_second_step(world):
    """What is about the second step stands in second_step/."""
    Organization.objects.update(requires_second_factor=False)


@pytest.fixture
def visitor(world) -> Browser:
    return Browser()


def is_in(browser: Browser) -> bool:
    return auth.SESSION_KEY in browser.session


def test_a_person_with_one_organization_is_taken_straight_to_it(visitor):
    response = visitor.post("/sign-in", DELEGATE, follow=True)

    assert response.redirect_chain[-1][0] == "/organizations/A9994"
    assert response.status_code == 200


def test_the_e_mail_address_may_be_written_in_capitals(visitor):
    response = visitor.post("/sign-in", {**DELEGATE, "login": " Delegate@Harbor.Example "})

    assert response.status_code == 302
    assert is_in(visitor)


@pytest.mark.parametrize(
    ("email", "password"),
    [("delegate@harbor.example", "wrong"), ("nobody@harbor.example", PASSWORD), ("inactive@harbor.example", PASSWORD)],
)
def test_whatever_is_wrong_the_answer_is_the_same(visitor, world, read, email, password):
    world.colleague.email, world.colleague.is_active = "inactive@harbor.example", False
    world.colleague.save()

    response = visitor.post("/sign-in", {"login": email, "password": password})

    assert response.status_code == 400
    assert "The email address or password is wrong. Check both and try again." in read(response).text
    assert not is_in(visitor)


def test_the_whole_answer_is_the_same_but_for_what_was_typed(visitor):
    pages = []
    for email in ("delegate@harbor.example", "nobody@harbor.example"):
        page = visitor.post("/sign-in", {"login": email, "password": "wrong"}).content.decode()
        pages.append(re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", page).replace(email, "…"))

    assert pages[0] == pages[1]


def test_the_answer_takes_the_same_time_whether_or_not_somebody_has_the_address(world, settings, monkeypatch):
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS
    # Still many times as long as all the rest of a request.
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 200_000)
    settings.LIMIT_SIGN_INS_PER_PERSON_AND_ADDRESS = settings.LIMIT_SIGN_INS_PER_PERSON = 0
    settings.LIMIT_SIGN_INS_PER_ADDRESS = 0
    settings.ACCOUNT_RATE_LIMITS = False
    world.delegate.set_password(PASSWORD)
    world.delegate.save()
    visitor = Browser()
    times: dict[str, list[float]] = {"delegate@harbor.example": [], "nobody@harbor.example": []}
    for _ in range(7):
        for email, seconds in times.items():
            start = time.process_time()
            visitor.post("/sign-in", {"login": email, "password": "wrong"})
            seconds.append(time.process_time() - start)

    known, unknown = (statistics.median(each) for each in times.values())
    assert abs(known - unknown) < 0.25 * max(known, unknown)


def test_the_page_asks_for_e_mail_and_password_and_says_so_to_password_managers(visitor, read):
    response = visitor.get("/sign-in")

    page = read(response)
    assert page.title.startswith("Sign in")
    assert page.by_id["id_login"]["autocomplete"] == "username"
    assert page.by_id["id_password"]["autocomplete"] == "current-password"
    assert "onpaste" not in response.content.decode()


def test_a_password_is_never_sent_back(visitor):
    response = visitor.post("/sign-in", {"login": "", "password": "a secret that was typed"})

    assert "a secret that was typed" not in response.content.decode()
    assert "no-store" in response["Cache-Control"]


def test_after_signing_in_the_page_that_was_asked_for_comes(visitor):
    asked = visitor.get("/organizations/A9994/exports")

    response = visitor.post(asked["Location"], DELEGATE)

    assert asked["Location"] == "/sign-in?next=/organizations/A9994/exports"
    assert response["Location"] == "/organizations/A9994/exports"


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "https:evil.example",
    "javascript:alert(1)",
    " //evil.example/",
    "/\t/evil.example/",
    "http://testserver/organizations",
    "organizations",
]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_next_is_not_followed_to_another_site(visitor, elsewhere):
    response = visitor.post("/sign-in", {**DELEGATE, "next": elsewhere})

    assert response["Location"] == "/organizations"


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_nor_is_it_once_one_is_in(delegate, elsewhere):
    for path in ("/sign-in", "/account/second-step"):
        assert delegate.get(path, {"next": elsewhere})["Location"] in {"/organizations", "/account"}


def test_a_line_break_in_next_makes_no_header(visitor):
    response = visitor.post("/sign-in", {**DELEGATE, "next": "/organizations\r\nSet-Cookie: a=b"})

    assert "a" not in response.cookies
    assert "\n" not in response["Location"]


def test_signing_out_takes_a_post(delegate):
    by_get = delegate.get("/sign-out")
    still_in = delegate.get("/organizations/A9994").status_code
    by_post = delegate.post("/sign-out")

    assert by_get.status_code == 405
    assert still_in == 200
    assert by_post["Location"] == "/sign-in"
    assert delegate.get("/organizations/A9994").status_code == 302


def test_the_first_page_leads_to_the_organizations(visitor):
    assert visitor.get("/")["Location"] == "/organizations"
    assert visitor.get("/organizations")["Location"] == "/sign-in?next=/organizations"


@pytest.mark.parametrize("path", ["/sign-up", "/signup", "/accounts/signup/", "/account/signup", "/sign-in/sign-up"])
def test_nobody_makes_an_account_for_himself(visitor, path):
    assert visitor.post(path, {"email": "me@evil.example", "password1": PASSWORD}).status_code == 404


def test_who_signs_in_is_written_down_for_the_organization_and_with_what(visitor, world):
    visitor.post("/sign-in", DELEGATE)

    event = AuditEvent.objects.get(action=Action.SIGNED_IN)
    assert (event.organization, event.user, event.address) == (world.harbor, world.delegate, "127.0.0.1")
    assert event.detail == {"by_means_of": ["password"]}


def test_a_person_without_an_organization_is_written_down_too(visitor, world):
    visitor.post("/sign-in", {"login": world.operator.email, "password": PASSWORD})

    event = AuditEvent.objects.get(action=Action.SIGNED_IN)
    assert (event.organization, event.user) == (None, world.operator)


def test_who_could_not_is_written_down_once_in_a_while(visitor, world):
    for _ in range(5):
        visitor.post("/sign-in", {**DELEGATE, "password": "wrong"})
    visitor.post("/sign-in", {"login": "nobody@harbor.example", "password": "wrong"})

    event = AuditEvent.objects.get(action=Action.SIGN_IN_REFUSED)
    assert (event.user, event.outcome, event.detail) == (world.delegate, "denied", {"reason": "wrong_password"})


# --- The first time ---------------------------------------------------------------------------------------------------


@pytest.fixture
def newcomer(world):
    """Made by an operator; nobody knows yet whether the address is the person's."""
    return UserFactory(email="new@harbor.example", name="Newcomer", has_verified_address=False)


NEWCOMER = {"login": "new@harbor.example", "password": PASSWORD}


def link_in(mail) -> str:
    return re.search(r"http://localhost:8000(/\S+)", mail.body)[1]


def test_before_the_first_sign_in_the_address_is_confirmed(visitor, newcomer, mails, read):
    waiting = visitor.post("/sign-in", NEWCOMER)
    was_in = is_in(visitor)
    page = visitor.get(link_in(mails[0]))
    after = visitor.post(link_in(mails[0]))

    assert waiting["Location"] == "/sign-in/check-your-mail"
    assert not was_in
    assert mails[0].to == ["new@harbor.example"]
    assert "Confirm your email address" in read(page).text
    assert after.status_code == 302
    assert is_in(visitor)
    assert mail_addresses.is_verified(newcomer)


def test_in_another_browser_confirming_signs_nobody_in(visitor, newcomer, mails):
    visitor.post("/sign-in", NEWCOMER)
    elsewhere = Browser()

    elsewhere.post(link_in(mails[0]))

    assert mail_addresses.is_verified(newcomer)
    assert not is_in(elsewhere)


def test_following_the_link_alone_confirms_nothing(visitor, newcomer, mails):
    visitor.post("/sign-in", NEWCOMER)

    visitor.get(link_in(mails[0]))

    assert not mail_addresses.is_verified(newcomer)


def test_a_link_to_an_address_that_the_person_no_longer_has_confirms_nothing(visitor, newcomer, mails, read):
    visitor.post("/sign-in", NEWCOMER)
    newcomer.email = "newer@harbor.example"
    newcomer.save()

    page = visitor.get(link_in(mails[0]))

    assert "This link is no longer valid" in read(page).text
    assert visitor.post(link_in(mails[0])).status_code == 404
    newcomer.refresh_from_db()
    assert newcomer.email == "newer@harbor.example"
    assert not mail_addresses.is_verified(newcomer)


def test_when_an_operator_changes_the_address_the_former_one_opens_nothing(visitor, world, mails):
    world.delegate.email = "delegate@new.example"
    world.delegate.save()

    by_the_former = visitor.post("/sign-in", DELEGATE)
    by_the_new = visitor.post("/sign-in", {**DELEGATE, "login": "delegate@new.example"})
    visitor.post("/sign-in/forgotten-password", {"email": "delegate@harbor.example"})

    assert by_the_former.status_code == 400
    assert by_the_new["Location"] == "/sign-in/check-your-mail"
    assert [mail.to for mail in mails] == [["delegate@new.example"]]
