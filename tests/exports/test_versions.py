"""A version of the API is a record: which one a path names, how its errors are written, which filters it has."""

import json

import pytest
from django.http import Http404, HttpResponse, QueryDict
from django.test import RequestFactory

from exports.api import outcomes
from exports.api.parameters import BadRequestError, parse
from exports.versions import DEFAULT, V2, VERSIONS, version_of
from portal import answers
from tests.toys.version import VERSION as V9
from tests.toys.version import error as in_its_own_way
from tests.world import KICK_OFF_HEADERS


@pytest.fixture(autouse=True)
def _nine(monkeypatch):
    """Version 9 is there for a test; an app of its own adds it for good (tests/journeys/toys/)."""
    monkeypatch.setitem(VERSIONS._entries, 9, V9)


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/api/v2/Patient/$export", V2),
        ("/api/v9/Patient/$export", V9),
        ("/api/v9/", V9),
        ("/api/v9", V9),
        ("/api/v9/line\nend", V9),
        ("/api/v99/metadata", DEFAULT),
        ("/api/v09/metadata", DEFAULT),
        ("/api/v٩/metadata", DEFAULT),
        ("/api/v9x/metadata", DEFAULT),
        ("/api/v" + 5000 * "9", DEFAULT),
        ("/data/9/x.ndjson", DEFAULT),
        ("/auth/welcome", DEFAULT),
        ("/elsewhere/api/v9/", DEFAULT),
    ],
)
def test_a_path_names_a_version(path, version):
    assert version_of(path) is version


@pytest.mark.parametrize("status", [400, 403, 404, 405, 429, 500, 503])
def test_what_a_middleware_refuses_below_a_version_is_told_as_the_version_does(status):
    told = answers.error(RequestFactory().get(f"/{V9.path}nothing"), status, "What happened.")

    assert (told.status_code, told["Content-Type"]) == (status, "application/fhir+json")
    body = json.loads(told.content)
    assert body == in_its_own_way(body["issue"][0]["code"], "What happened.")


def test_what_a_view_refuses_is_told_as_the_version_does():
    told = outcomes.answer(Http404("Job not found"), {"request": RequestFactory().get(f"/{V9.path}jobs/1")})

    assert told.data == in_its_own_way("not-found", "Job not found")


@pytest.mark.parametrize("path", ["/api/v2/nothing", "/api/v7/nothing", "/data/1/x", "/auth/welcome"])
def test_other_paths_tell_it_as_before(path):
    told: HttpResponse | None = answers.error(RequestFactory().get(path), 404, "What happened.")

    assert json.loads(told.content) == V2.error("not-found", "What happened.")


def test_a_filter_that_a_version_does_not_have_is_refused_and_not_ignored():
    query = QueryDict("_since=2026-01-01T00:00:00Z&_type=Patient")

    with pytest.raises(BadRequestError, match="version 9 of this API does not support the _since parameter"):
        parse(query, KICK_OFF_HEADERS, V9)

    assert parse(query, KICK_OFF_HEADERS, V2).since is not None
    assert parse(QueryDict("_type=Patient"), KICK_OFF_HEADERS, V9).asked_types == ("Patient",)
