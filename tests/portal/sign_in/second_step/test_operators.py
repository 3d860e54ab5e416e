"""The second step of operators."""

import pytest
from django.test import Client as Browser

from tests.portal.sign_in.second_step.factors import is_in, set_up_app
from tests.world import PASSWORD, sign_in


@pytest.fixture
def operators_need_it(settings):
    settings.OPERATORS_NEED_SECOND_FACTOR = True


def test_the_administration_has_no_door_of_its_own(visitor, world):
    response = visitor.post("/admin/login/", {"username": world.operator.email, "password": PASSWORD})

    assert response["Location"] == "/sign-in?next=/admin/"
    assert not is_in(visitor)


def test_an_operator_needs_a_second_step(operators_need_it, world, read):
    operator = sign_in(Browser(), world.operator, with_second_factor=False)

    response = operator.get("/admin/credentials/user/", follow=True)

    assert response.redirect_chain[-1][0] == "/account/second-step?next=%2Fadmin%2Fcredentials%2Fuser%2F"
    assert "Operators need it to open the administration." in read(response).text
    set_up_app(operator)
    assert operator.get("/admin/credentials/user/").status_code == 200


def test_for_others_it_does_not_open_whatever_they_have(operators_need_it, delegate, read):
    response = delegate.get("/admin/", follow=True)

    assert response.status_code == 403
    assert "Only operators can open the administration." in read(response).text


def test_the_administration_signs_out_and_changes_passwords_as_the_portal_does(client, world):
    client.force_login(world.operator)

    changing = client.get("/admin/password_change/")
    leaving = client.post("/admin/logout/")

    assert changing["Location"] == "/account/password"
    assert leaving["Location"] == "/sign-in"
    assert not is_in(client)
