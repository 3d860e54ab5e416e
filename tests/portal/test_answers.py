"""Each path has one family, and each family tells its errors in one media type."""

import pytest
from django.test import RequestFactory

from portal import answers
from portal.answers import Family

TYPES = {
    Family.FHIR: "application/fhir+json",
    Family.OAUTH: "application/json",
    Family.OPERATORS: "application/json",
    Family.JSON: "application/json",
    Family.TEXT: "text/plain; charset=utf-8",
}


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("/api", Family.FHIR),
        ("/api/v2/Patient/$export", Family.FHIR),
        ("/api/v2/.well-known/smart-configuration", Family.FHIR),
        ("/api/v9/nothing", Family.FHIR),
        ("/data/1/x.ndjson", Family.FHIR),
        ("/auth", Family.OAUTH),
        ("/auth/token", Family.OAUTH),
        ("/auth/tokens", Family.OAUTH),
        ("/auth/welcome", Family.FHIR),
        ("/auth/connection", Family.FHIR),
        ("/admin-api/organizations", Family.OPERATORS),
        ("/.well-known/smart-configuration", Family.JSON),
        ("/_health", Family.TEXT),
        ("/_version", Family.TEXT),
        ("/", Family.PAGES),
        ("/admin/", Family.PAGES),
        ("/apiary", Family.PAGES),
        ("/database", Family.PAGES),
        ("/organizations/A9994", Family.PAGES),
    ],
)
def test_a_path_belongs_to_one_family(path, family):
    assert answers.family_of(path) == family


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 410, 413, 415, 429, 500, 501, 503])
@pytest.mark.parametrize(
    ("path", "key"), [("/api/x", "issue"), ("/auth/x", "error"), ("/admin-api/x", "error"), ("/.well-known/x", "error")]
)
def test_a_program_is_told_in_its_own_words(path, key, status):
    told = answers.error(RequestFactory().get(path), status, "What happened.")

    assert told.status_code == status
    assert told["Content-Type"] == TYPES[answers.family_of(path)]
    assert key in told.text
    assert "What happened." in told.text


def test_people_are_left_to_their_pages():
    assert answers.error(RequestFactory().get("/organizations"), 503) is None
