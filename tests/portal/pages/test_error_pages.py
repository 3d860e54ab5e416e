import pytest
from django.test import Client as Browser

from portal.words import standing
from tests.world import sign_in


@pytest.mark.parametrize("path", ["/nowhere", "/organizations/A9994/nowhere", "/organizations/a9994", "/sign-in/"])
def test_a_page_that_is_not_there(delegate, path, read):
    response = delegate.get(path)

    assert response.status_code == 404
    assert "Page not found" in read(response).text
    assert "Sign out" in read(response).text


def test_a_request_that_cannot_be_read(delegate, read):
    response = delegate.get("/sign-in", headers={"Host": "elsewhere.example"})

    assert response.status_code == 400
    assert "We can’t read this request" in read(response).text


def test_our_own_mistake_is_answered_in_the_design_with_a_number_to_quote(world, monkeypatch, read):
    def breaks(_organizations):
        raise RuntimeError

    monkeypatch.setattr(standing, "of_organizations", breaks)
    browser = Browser(raise_request_exception=False)
    sign_in(browser, world.delegate)

    response = browser.get("/organizations/A9994")

    page = read(response)
    assert response.status_code == 500
    assert "Something went wrong on our end" in page.text
    assert response["X-Request-Id"] in page.text


def test_whoever_may_not_is_told_who_may(colleague, read):
    response = colleague.get("/organizations/A9994/credentials/new")

    assert response.status_code == 403
    assert "You don’t have permission to do this" in read(response).text
    assert "Credential Delegate" in read(response).text
