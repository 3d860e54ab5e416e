"""Which words of the protocols mean the same in capitals, and which do not (RFC 9110, 6749, 6750, 7521, 7617)."""

import base64

import pytest

from credentials.access import schemes
from credentials.actor import Actor
from credentials.operators import operator_tokens
from exports.api import downloads
from exports.models import Job
from tests.exports.store import fill
from tests.house.wire import call

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def api(world):
    world.roster(world.harbor, world.beneficiaries(1))
    fill(world)
    return world.api_client().sign_in()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer ", " bearer"])
@pytest.mark.parametrize("path", ["/auth/welcome", "/api/v2/jobs/1", "/data/1/x"])
def test_bearer_is_bearer_in_any_case(api, scheme, path):
    answer = call("GET", path, {"Authorization": f"{scheme} {api.token}"})

    assert answer.status != 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_so_it_is_for_operators(world, scheme):
    token = operator_tokens.create_token(name="walk", by=Actor(user=world.operator))

    assert call("GET", "/admin-api/organizations", {"Authorization": f"{scheme} {token}"}).status == 200


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc", "Basic "])
def test_basic_is_basic_in_any_case(api, scheme):
    pair = base64.b64encode(f"{api.client.client_id}:{api.secret}".encode()).decode()

    assert call("POST", "/auth/token", {"Authorization": f"{scheme} {pair}"}).status == 200


@pytest.mark.parametrize(
    "header",
    ["Token {}", "Bearer{}", "Bearer:{}", "Bearer\x0b{}", "Bearer {} x", "Bearer x {}", "{}", "Bearer", "Basic {}"],
)
def test_another_scheme_presents_nothing(api, header):
    assert schemes.presented(header.format("abc"), "bearer") is None
    assert call("GET", "/auth/welcome", {"Authorization": header.format(api.token)}).status == 401


@pytest.mark.parametrize(
    ("accept", "prefer"),
    [
        ("application/fhir+json", "respond-async"),
        ("APPLICATION/FHIR+JSON", "RESPOND-ASYNC"),
        ("Application/FHIR+JSON ; Charset=UTF-8", "handling=lenient ,  Respond-Async"),
        ("text/html,\tapplication/Fhir+json;q=0.5", "Respond-Async ; Wait=10"),
    ],
)
def test_a_kick_off_is_understood_in_any_case(api, accept, prefer):
    headers = {"Authorization": f"bearer {api.token}", "Accept": accept, "Prefer": prefer}

    assert call("GET", "/api/v2/Group/all/$export", headers).status == 202
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    "kind", [FORM, FORM.upper(), f"{FORM.title()}; Charset=UTF-8", f'{FORM} ;CHARSET="utf-8"', f"{FORM};charset=Utf-8"]
)
def test_a_form_is_a_form_in_any_case(api, kind):
    form = f"grant_type=client_credentials&client_id={api.client.client_id}&client_secret={api.secret}".encode()

    answer = call("POST", "/auth/token", {"Content-Type": kind}, form)

    assert answer.status == 200
    assert b'"scope"' in answer.body


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON", "Application/Json; Charset=UTF-8"])
def test_json_is_json_in_any_case(world, kind):
    token = operator_tokens.create_token(name="walk", by=Actor(user=world.operator))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    body = b'{"entity_id": "A1234", "name": "Bay", "program": "SSP"}'

    assert call("POST", "/admin-api/organizations", headers, body).status == 201


@pytest.mark.parametrize("host", ["testserver", "TESTSERVER", "TestServer:80"])
def test_a_host_is_itself_in_any_case(host, db):
    assert call("GET", "/_health", {"Host": host}).status == 200


@pytest.mark.parametrize(
    ("accept_encoding", "is_gzip"),
    [
        *(
            ("gzip", True),
            ("GZIP", True),
            ("X-GZip", True),
            ("gzip;Q=1", True),
            ("br ,\tGzip ; q=0.5", True),
            ("*", True),
        ),
        *(("gzip;q=0", False), ("GZIP;Q=0.000", False), ("Identity, gzip;q=0.5", False), ("", False), ("zip", False)),
    ],
)
def test_codings_are_understood_in_any_case(accept_encoding, is_gzip):
    assert downloads.takes_gzip(accept_encoding) == is_gzip


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("grant_type", "Client_Credentials", "unsupported_grant_type"),
        ("client_assertion_type", "URN:IETF:PARAMS:OAUTH:CLIENT-ASSERTION-TYPE:JWT-BEARER", "invalid_request"),
        ("grant_type=client_credentials&scope", "SYSTEM/*.READ", "invalid_scope"),
    ],
)
def test_what_oauth_compares_letter_by_letter_is_not_taken_in_capitals(api, field, value, error):
    pair = base64.b64encode(f"{api.client.client_id}:{api.secret}".encode()).decode()

    answer = call(
        "POST", "/auth/token", {"Authorization": f"Basic {pair}", "Content-Type": FORM}, f"{field}={value}".encode()
    )

    assert answer.status == 400
    assert f'"{error}"'.encode() in answer.body


@pytest.mark.parametrize("hint", ["access_token", "ACCESS_TOKEN", "whatever"])
def test_a_hint_is_only_a_hint(api, hint):
    pair = base64.b64encode(f"{api.client.client_id}:{api.secret}".encode()).decode()
    form = f"token={api.token}&token_type_hint={hint}".encode()

    answer = call("POST", "/auth/introspect", {"Authorization": f"Basic {pair}", "Content-Type": FORM}, form)

    assert b'"active": true' in answer.body


def test_a_token_is_itself_letter_by_letter(api):
    assert call("GET", "/auth/welcome", {"Authorization": f"Bearer {api.token.upper()}"}).status == 401


@pytest.mark.parametrize("unit", ["bytes", "Bytes", "BYTES"])
def test_bytes_are_bytes_in_any_case(unit):
    assert downloads._RANGE.fullmatch(f"{unit}=0-5")
