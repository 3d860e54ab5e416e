"""While a part of Claimsgate is away, whoever asks is told to come again, in the words of who asks."""

import gzip

import psycopg
import pytest
from django.db import InterfaceError, InternalError, OperationalError
from django.test import Client as Browser
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import ConnectionError as CacheError

from credentials.models import AccessToken
from credentials.operators import operator_tokens
from credentials.tokens import oauth
from exports import storage
from portal import outages
from portal.sign_in import sessions
from portal.words import standing
from tests.exports.finished import finished_job
from tests.world import PASSWORD, sign_in

AWAY = OperationalError("connection to server failed: the database system is starting up")
BASIC = {"Authorization": "Basic Y2xpZW50OnNlY3JldA=="}


@pytest.fixture
def caller() -> Browser:
    return Browser(raise_request_exception=False)


@pytest.fixture
def away(monkeypatch):
    """Has something raise an error from now on."""

    def choose(owner: object, name: str, error: Exception = AWAY) -> None:
        def breaks(*_args: object, **_options: object) -> None:
            raise error

        monkeypatch.setattr(owner, name, breaks)

    return choose


def test_the_api_answers_with_an_outcome_that_is_transient(caller, away, db):
    away(AccessToken.objects, "from_address")

    response = caller.get("/api/v2/jobs/1", headers={"Authorization": "Bearer cgt_1"})

    assert (response.status_code, response["Retry-After"], response["Cache-Control"]) == (503, "5", "no-store")
    assert response["Content-Type"] == "application/fhir+json"
    [issue] = response.json()["issue"]
    assert (issue["severity"], issue["code"]) == ("error", "transient")
    assert "Try again in 5 seconds" in issue["diagnostics"]


@pytest.mark.parametrize("path", ["/auth/token", "/auth/introspect", "/auth/revoke"])
def test_the_token_endpoint_and_its_sisters_answer_in_the_terms_of_oauth(caller, away, db, path):
    away(oauth, "Backend")

    response = caller.post(path, headers=BASIC)

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json()["error"] == "temporarily_unavailable"


def test_operators_scripts_get_their_own_kind_of_error(caller, away, db):
    away(operator_tokens, "found")

    response = caller.get("/admin-api/organizations", headers={"Authorization": "Bearer cgo_1"})

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json() == {"error": outages.MESSAGE}


def test_people_get_a_plain_page_that_asks_nothing_of_the_database(
    caller, away, world, django_assert_num_queries, read
):
    sign_in(caller, world.delegate)
    away(standing, "of_organizations")

    response = caller.get("/organizations/A9994")

    page = read(response)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Claimsgate is temporarily unavailable" in page.text
    assert response["X-Request-Id"] in page.text
    with django_assert_num_queries(0):
        outages.response(response.wsgi_request)


def test_what_fails_before_a_view_is_reached_is_answered_alike(caller, away, world, read):
    sign_in(caller, world.delegate)
    away(sessions, "remaining")

    response = caller.get("/organizations/A9994")

    assert response.status_code == 503
    assert "Claimsgate is temporarily unavailable" in read(response).text


def test_a_cache_that_is_away_keeps_nobody_from_trying_again(caller, world, settings, read):
    away = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "unix:///nowhere/valkey"}
    settings.CACHES = {"default": away}

    response = caller.post("/sign-in", {"login": world.delegate.email, "password": PASSWORD})

    assert response.status_code == 503
    assert "Claimsgate is temporarily unavailable" in read(response).text


def test_files_that_are_out_of_reach_do_not_make_a_client_give_up(caller, away, world):
    api = world.api_client().sign_in()
    api.browser.raise_request_exception = False
    job = finished_job(world.roster(world.harbor, []), gzip.compress(b"{}"))
    away(storage, "opened", OSError(116, "Stale file handle"))

    response = api.get(f"/data/{job.pk}/{job.files.first().name}", **{"Accept-Encoding": "gzip"})

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json()["issue"][0]["code"] == "transient"


def read_only() -> InternalError:
    error = InternalError("cannot execute INSERT in a read-only transaction")
    error.__cause__ = psycopg.errors.ReadOnlySqlTransaction()
    return error


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (AWAY, True),
        (InterfaceError("the connection is closed"), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.TooManyConnections(), True),
        (CacheError(), True),
        (BrokerError(), True),
        (read_only(), True),
        (InternalError("invalid page"), False),
        (RuntimeError("our own mistake"), False),
        (None, False),
    ],
)
def test_what_is_an_outage_and_what_is_not(error, is_one):
    assert outages.is_outage(error) is is_one


def test_our_own_mistake_stays_one(caller, away, db):
    away(AccessToken.objects, "from_address", RuntimeError("a mistake"))

    response = caller.get("/api/v2/jobs/1", headers={"Authorization": "Bearer cgt_1"})

    assert (response.status_code, "Retry-After" in response) == (500, False)
