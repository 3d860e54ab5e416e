"""Programs are answered in their own media type, whatever they send and whatever goes wrong: never HTML or nothing."""

from collections.abc import Mapping

import pytest
from django import conf
from django.db import transaction

from credentials.actor import Actor
from credentials.operators import operator_tokens
from portal import answers
from portal.wsgi import Application
from tests.house.wire import MEDIA_TYPES, call, paths_of_programs

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"]
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BODIES = {
    "broken JSON": (JSON, b'{"name": '),
    "JSON that is no object": (JSON, b"[1, 2]"),
    "JSON of great depth": (JSON, b"[" * 100_000),
    "a number of many digits": (JSON, b'{"overlap_hours": 1%s}' % (b"0" * 6000)),
    "NUL": (
        JSON,
        b'{"name": "a\\u0000b", "email": "a\\u0000@example.org", "role": "\\u0000", "entity_id": "A\\u0000"}',
    ),
    "half a character": (
        JSON,
        b'{"name": "\\ud800", "entity_id": "A1234", "program": "ssp", "addresses": ["\\ud800"], "reason": "\\ud800"}',
    ),
    "bytes that are not UTF-8": (JSON, b'{"name": "\xff\xfe"}'),
    "a charset that there is not": ({"Content-Type": "application/json; charset=x-none"}, b"{}"),
    "a charset that is no text": ({"Content-Type": "application/json; charset=zlib"}, b"{}"),
    "another that is none": ({"Content-Type": "multipart/form-data; boundary=x; charset=rot13"}, b"--x--"),
    "a parameter in no encoding": ({"Content-Type": "application/json; x*=none''%41"}, b"{}"),
    "a form in another charset": ({"Content-Type": f"{FORM['Content-Type']}; charset=utf-16"}, b"a=b"),
    "multipart without a boundary": ({"Content-Type": "multipart/form-data"}, b"--x--"),
    "multipart that breaks off": (
        {"Content-Type": "multipart/form-data; boundary=x"},
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n',
    ),
    "too many fields": (FORM, b"&".join(b"a%d=" % number for number in range(1001))),
    "a form with NUL": (FORM, b"grant_type=client_credentials&client_id=%00&client_secret=%00&token=%00"),
    "a form in no encoding": (FORM, b"grant_type=%ff&token=%ed%a0%80&client_id=\xff"),
    "an assertion of nonsense": (
        FORM,
        b"client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=%00.%ff.x",
    ),
    "too much": (FORM, b"a" * (2**20 + 1)),
    "no content type": ({}, b"grant_type=client_credentials"),
}
QUERIES = {
    "NUL": "_since=%00&_type=%00&days=%00&link=%00",
    "no encoding": "_type=%ff&_since=%ed%a0%80&a=%zz",
    "characters that no URL has": '[]{}|^"<> \x7f',
    "too many fields": "&".join(f"a{number}=" for number in range(1001)),
}
ODD_TEXTS = ["%00", "%ff", "%ed%a0%80", "..%2f..%2fetc%2fpasswd", "%e2%80%ae", "9" * 40, "x" * 3000, "%0d%0aX: y"]


def faults(method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, what: str = "") -> list[str]:
    """What is wrong with the answer to a call, which leaves nothing behind."""
    with transaction.atomic():
        answer = call(method, path, headers, body)
        transaction.set_rollback(True)
    kind = answer.headers.get("Content-Type", "")
    found = {
        "500": answer.status == 500,
        "HTML": "html" in kind or b"<html" in answer.body.lower(),
        "no Allow": answer.status == 405 and not answer.headers.get("Allow"),
        "not its own media type": answer.status >= 400
        and kind != MEDIA_TYPES[answers.family_of(path.partition("?")[0])],
        "nothing": answer.status >= 400 and not answer.body,
    }
    return [
        f"{fault}: {method} {path[:80]} {what} {answer.body[:80]!r}" for fault, is_there in found.items() if is_there
    ]


@pytest.fixture
def caller(request, world, client, settings):
    """The headers of a caller; there are no limits, since all calls come within seconds."""
    for name in dir(conf.settings):  # the fixture does not list what there is
        if name.startswith("LIMIT_") and name != "LIMIT_WINDOW":
            setattr(settings, name, 0)
    world.roster(world.harbor, world.beneficiaries(1))
    if request.param == "nobody":
        return {}
    if request.param == "an operator":
        return {"Authorization": f"Bearer {operator_tokens.create_token(name='walk', by=Actor(user=world.operator))}"}
    if request.param == "an operator's browser":
        client.force_login(world.operator)
        return {"Cookie": "; ".join(f"{name}={each.value}" for name, each in client.cookies.items())}
    api = world.api_client(world.mesa if request.param == "a stranger" else world.harbor).sign_in()
    return {"Authorization": f"Bearer {api.token}"}


@pytest.mark.parametrize(
    "caller", ["nobody", "a stranger", "a client", "an operator", "an operator's browser"], indirect=True
)
def test_every_path_with_every_method(caller):
    found = []
    for path in paths_of_programs():
        for method in METHODS:
            found += faults(method, path, caller)

    assert not found


@pytest.mark.parametrize("caller", ["nobody", "a client", "an operator"], indirect=True)
def test_every_path_with_odd_bodies(caller):
    found = []
    for path in paths_of_programs():
        for method in ("POST", "PUT"):
            for what, (headers, body) in BODIES.items():
                found += faults(method, path, caller | headers, body, what=what)

    assert not found


@pytest.mark.parametrize("caller", ["nobody", "a client", "an operator"], indirect=True)
def test_every_path_with_odd_queries_and_texts(caller):
    found = []
    for query in QUERIES.values():
        for path in paths_of_programs():
            for method, headers in (("GET", {"Accept": "application/fhir+json"}), ("POST", FORM)):
                found += faults(method, f"{path}?{query}", caller | headers)
    for text in ODD_TEXTS:
        for path in paths_of_programs(text):
            for method in ("GET", "POST"):
                found += faults(method, path, caller | JSON, b"{}")

    assert not found


FAMILIES = [
    "/api/v2/metadata",
    "/auth/token",
    "/admin-api/organizations",
    "/.well-known/smart-configuration",
    "/_health",
]


@pytest.mark.parametrize("path", FAMILIES)
def test_our_own_mistake_is_told_in_the_words_of_the_family(path, settings, db):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.breaking"]

    answer = call("GET", path, by=Application())

    assert answer.status == 500
    assert answer.headers["Content-Type"] == MEDIA_TYPES[answers.family_of(path)]
    assert answer.headers["X-Request-Id"].encode() in answer.body
    assert b"a secret" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        *("/api", "/api/", "/api/v1/metadata", "/api/v2/Patient", "/api/v2/jobs/", "/auth", "/auth/", "/auth/tokens"),
        *(
            "/data",
            "/data/1",
            "/admin-api",
            "/admin-api/",
            "/admin-api/nothing",
            "/.well-known",
            "/.well-known/jwks.json",
        ),
        *("/_version", "/_auth", "/_health/", "/_"),
    ],
)
def test_what_is_not_there_is_told_in_the_words_of_the_family(path, db):
    answer = call("GET", path)

    assert answer.status == 404
    assert answer.headers["Content-Type"] == MEDIA_TYPES[answers.family_of(path)]
    assert b"There is nothing at this path." in answer.body


@pytest.mark.parametrize("path", FAMILIES)
@pytest.mark.parametrize("host", ["elsewhere.example", "a b", "[::1", ""])
def test_a_host_that_is_not_ours_is_told_in_the_words_of_the_family(path, host, db):
    answer = call("GET", path, {"Host": host})

    assert answer.status == 400
    assert answer.headers["Content-Type"] == MEDIA_TYPES[answers.family_of(path)]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/auth/token", "POST"), ("/.well-known/smart-configuration", "GET, HEAD"), ("/_health", "GET, HEAD")],
)
def test_a_path_of_one_method_says_which(path, allowed, db):
    answer = call("PATCH", path)

    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert b"does not take this method" in answer.body


@pytest.mark.parametrize("path", ["/.well-known/smart-configuration", "/api/v2/.well-known/smart-configuration"])
def test_a_post_is_the_wrong_method_and_not_a_form_that_is_out_of_date(path, db):
    answer = call("POST", path, FORM, b"a=b")

    assert answer.status == 405
    assert b"form" not in answer.body


def test_options_tells_what_is_allowed_and_nothing_of_the_code(world):
    api = world.api_client().sign_in()

    answer = call("OPTIONS", "/api/v2/Patient/$export", {"Authorization": f"Bearer {api.token}"})

    assert (answer.status, answer.headers["Allow"], answer.body) == (200, "GET, OPTIONS", b"")
    assert "Content-Type" not in answer.headers


def test_people_keep_their_pages(client, db):
    answers_to_people = [call("GET", "/nowhere"), call("GET", "/sign-in", {"Host": "elsewhere.example"})]
    answers_to_people.append(call("POST", "/sign-in", FORM, b"login=x"))

    assert [answer.status for answer in answers_to_people] == [404, 400, 403]
    assert all(answer.headers["Content-Type"].startswith("text/html") for answer in answers_to_people)


@pytest.mark.parametrize("path", ["/organizations/%00", "/organizations/%00/audit", "/nowhere%00", "/static/%00"])
def test_a_path_with_nul_names_nothing(path, db):
    assert call("GET", path).status == 404


def test_a_session_of_odd_characters_is_nobodys(db):
    assert call("GET", "/account", {"Cookie": r'claimsgate_session="0123456789\000abc"'}).status == 302


@pytest.mark.parametrize("kind", ["text/plain; charset=rot13", "text/plain; charset=zlib", "text/plain; x*=none''%41"])
def test_a_page_is_read_as_utf_8_whatever_the_request_says_of_itself(kind, db):
    assert call("GET", "/sign-in?next=%2forganizations", {"Content-Type": kind}).status == 200


def breaking(get_response):
    """A middleware behind which everything breaks."""

    def broken(request):
        raise RuntimeError("a secret of the code")

    return broken
