"""One assertion, many callers at the same moment, each over a connection of its own."""

import pytest
from django.db import connection

from credentials.models import AccessToken, AuditEvent, SpentAssertion
from credentials.trail.audit import Action
from tests.credentials.at_once import CALLERS, at_once
from tests.credentials.tokens.signing import Signer
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_many_who_show_the_same_assertion_exactly_one_gets_a_token():
    client = World().api_client().client
    assertion = Signer(client).register().assertion()
    signers = [Signer(client) for _ in range(CALLERS)]

    answers = at_once(lambda number: signers[number].ask_for_token(assertion))

    assert sorted(answer.status_code for answer in answers) == [200, *[401] * (CALLERS - 1)]
    assert {answer.json()["error"] for answer in answers if answer.status_code == 401} == {"invalid_client"}
    assert AccessToken.objects.count() == SpentAssertion.objects.count() == 1
    assert AuditEvent.objects.filter(action=Action.TOKEN_ISSUED).count() == 1
    assert AuditEvent.objects.filter(action=Action.TOKEN_REFUSED, detail__reason="assertion_replayed").exists()


def test_many_with_an_assertion_each_all_get_a_token():
    client = World().api_client().client
    signers = [Signer(client).register() if not number else Signer(client) for number in range(CALLERS)]

    answers = at_once(lambda number: signers[number].ask_for_token())

    assert [answer.status_code for answer in answers] == [200] * CALLERS
    assert AccessToken.objects.count() == SpentAssertion.objects.count() == CALLERS


def test_the_database_itself_takes_an_assertion_once():
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'assertion_once'")
        (definition,) = cursor.fetchone()

    assert "UNIQUE" in definition
    assert "(client_id, jti_digest)" in definition
