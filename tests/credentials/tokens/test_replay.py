"""An assertion is used once."""

import datetime as dt
import hashlib
import time

from django.utils import timezone

from credentials import lifetimes, tasks
from credentials.models import AccessToken, SpentAssertion
from tests.credentials.tokens.refusals import refusals
from tests.credentials.tokens.signing import Signer, ec_key


def test_an_assertion_opens_the_door_once(signer):
    assertion = signer.assertion()

    first, second = signer.ask_for_token(assertion), signer.ask_for_token(assertion)

    assert (first.status_code, second.status_code) == (200, 401)
    assert "already used" in second.json()["error_description"]
    assert AccessToken.objects.count() == 1
    assert refusals() == ["assertion_replayed"]


def test_a_jti_may_be_used_once_even_by_different_assertions_and_by_each_client(world, signer):
    other = Signer(world.api_client(world.mesa, name="Theirs").client, ec_key(number=2)).register()

    answers = [each.ask_for_token(each.assertion(jti="one")) for each in (signer, signer, other)]

    assert [answer.status_code for answer in answers] == [200, 401, 200]


def test_an_assertion_is_used_up_even_if_nothing_came_of_it(signer):
    assertion = signer.assertion()

    refused = signer.ask_for_token(assertion, scope="launch")
    again = signer.ask_for_token(assertion)

    assert (refused.status_code, again.status_code) == (400, 401)
    assert not AccessToken.objects.exists()


def test_of_a_used_assertion_only_a_digest_is_kept_until_it_could_not_be_used_again(signer):
    signer.ask_for_token(signer.assertion(jti="one"))

    spent = SpentAssertion.objects.get()
    assert bytes(spent.jti_digest) == hashlib.sha256(b"one").digest()
    tasks.forget_ended_tokens()
    assert SpentAssertion.objects.exists()
    SpentAssertion.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    tasks.forget_ended_tokens()
    assert not SpentAssertion.objects.exists()


def test_it_is_remembered_for_longer_than_it_is_accepted(signer):
    now = int(time.time())

    signer.ask_for_token(signer.assertion(exp=now + 300))

    assert SpentAssertion.objects.get().expires_at.timestamp() == now + 300 + lifetimes.CLOCK_LEEWAY.total_seconds()
