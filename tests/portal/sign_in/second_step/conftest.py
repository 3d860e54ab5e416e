"""A delegate without a second step, a browser, and time that passes."""

import time

import pytest
from django.test import Client as Browser

from tests.authenticators import STEP
from tests.world import sign_in


@pytest.fixture
def newcomer(world) -> Browser:
    """The delegate of Harbor, who has signed in and has no second step yet."""
    return sign_in(Browser(SERVER_NAME="localhost"), world.delegate, with_second_factor=False)


@pytest.fixture
def visitor(world) -> Browser:
    return Browser(SERVER_NAME="localhost")


@pytest.fixture
def later(monkeypatch):
    """Makes time pass, in steps of an app."""
    now = time.time

    def pass_by(steps: int) -> None:
        monkeypatch.setattr(time, "time", lambda: now() + steps * STEP)

    return pass_by
