import pytest
from django.test import Client as Browser

from tests.world import PASSWORD


@pytest.fixture
def visitor(world) -> Browser:
    return Browser()


def test_a_person_with_one_organization_is_taken_straight_to_it(visitor):
    response = visitor.post("/sign-in", {"username": "delegate@harbor.example", "password": PASSWORD}, follow=True)

    assert response.redirect_chain[-1][0] == "/organizations/A9994"
    assert response.status_code == 200


def test_the_e_mail_address_may_be_written_in_capitals(visitor):
    response = visitor.post("/sign-in", {"username": "Delegate@Harbor.Example", "password": PASSWORD})

    assert response.status_code == 302


@pytest.mark.parametrize(
    ("email", "password"),
    [("delegate@harbor.example", "wrong"), ("nobody@harbor.example", PASSWORD), ("inactive@harbor.example", PASSWORD)],
)
def test_whatever_is_wrong_the_answer_is_the_same(visitor, world, read, email, password):
    world.colleague.email, world.colleague.is_active = "inactive@harbor.example", False
    world.colleague.save()

    response = visitor.post("/sign-in", {"username": email, "password": password})

    assert "The e-mail address or the password is wrong. Check both and try again." in read(response).text
    assert "_auth_user_id" not in visitor.session


def test_the_page_asks_for_e_mail_and_password_and_says_so_to_password_managers(visitor, read):
    page = read(visitor.get("/sign-in"))

    assert page.title.startswith("Sign in")
    assert page.by_id["id_username"]["autocomplete"] == "username"
    assert page.by_id["id_password"]["autocomplete"] == "current-password"


def test_after_signing_in_the_page_that_was_asked_for_comes(visitor):
    asked = visitor.get("/organizations/A9994/exports")

    response = visitor.post(asked["Location"], {"username": "delegate@harbor.example", "password": PASSWORD})

    assert asked["Location"] == "/sign-in?next=/organizations/A9994/exports"
    assert response["Location"] == "/organizations/A9994/exports"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_next_is_not_followed_to_another_site(visitor, elsewhere):
    response = visitor.post(
        "/sign-in", {"username": "delegate@harbor.example", "password": PASSWORD, "next": elsewhere}
    )

    assert response["Location"] == "/organizations"


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
