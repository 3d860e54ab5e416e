"""JSON is read in one way only, wherever it comes from."""

import json
from io import StringIO

import pytest

from credentials import strict_json
from credentials.actor import Actor
from credentials.clients import importing, jwks, keys
from credentials.clients.jwks import KeySetUnavailableError, Policy
from credentials.models import Organization
from credentials.operators import operator_tokens
from tests.credentials.clients.key_server import KeyServer
from tests.credentials.tokens.signing import ec_key, jwk
from tests.world import OTHER_ADDRESS

AMBIGUOUS = {
    "a name twice": '{"a": 1, "b": 2, "a": 3}',
    "the same value twice": '{"a": 1, "a": 1}',
    "twice, once escaped": '{"a": 1, "\\u0061": 1}',
    "twice within": '[{"x": [{"": 1, "": 2}]}]',
    "not a number": "[NaN]",
    "infinite": '{"a": -Infinity}',
    "beyond a double": "1e400",
    "beyond a double, negative": "[-1e999]",
    "thousands of digits": "1" * 5000,
    "half a character": '"\\ud800"',
    "half a character in a name": '{"\\udfff": 1}',
}
UTF_16, SURROGATE = b"\xff\xfe[\0]\0", b'"\xed\xa0\x80"'
NOT_JSON = ["", "{", "[1,]", "01", "'a'", '"\x01"', "\N{ZERO WIDTH NO-BREAK SPACE}{}", UTF_16, SURROGATE]


@pytest.mark.parametrize("text", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_readers_read_differently_is_refused(text):
    for given in (text, text.encode()):
        with pytest.raises(strict_json.AmbiguousJsonError):
            strict_json.read(given)


@pytest.mark.parametrize("text", NOT_JSON, ids=repr)
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        strict_json.read(text)


def test_too_deep_is_refused():
    with pytest.raises(strict_json.AmbiguousJsonError, match="too deeply"):
        strict_json.read("[" * 100_000)


@pytest.mark.parametrize("text", ['{"a": {"a": [1, 1.5, 1e3, null, true]}, "b": "\\ud83d\\ude00"}', b"[]", "0", '"a"'])
def test_all_else_is_read_as_ever(text):
    assert strict_json.read(text) == json.loads(text)


# --- Where it comes from ----------------------------------------------------------------------------------------------


def twice(member: str) -> str:
    """A right JWK with one of its members again, before it."""
    right, other = jwk(ec_key(), "a"), jwk(ec_key(number=1), "b")
    return f'{{"{member}": {json.dumps(other[member])}, {json.dumps(right)[1:]}'


@pytest.mark.parametrize("member", ["x", "kid", "kty"])
@pytest.mark.parametrize("form", ["{}", '{{"keys": [{}]}}', '{{"keys": [], "keys": [{}]}}'])
def test_pasted_keys(member, form):
    with pytest.raises(keys.KeyRefusedError, match="two members with the same name"):
        keys.read(form.format(twice(member)))


@pytest.mark.parametrize("member", ["x", "kid"])
def test_published_keys(member):
    server = KeyServer()
    server.body = f'{{"keys": [{twice(member)}]}}'

    with pytest.raises(KeySetUnavailableError, match="two members with the same name"):
        jwks.fetch(server.url("127.0.0.1"), Policy(allows_loopback=True))

    server.stop()


@pytest.mark.parametrize(
    "body", ['{"status": "active", "status": "denied"}', '{"status": "denied", "reason": "\\ud800"}', '{"status": NaN}']
)
def test_what_operators_send(world, client, body):
    token = operator_tokens.create_token(name="Inventory", by=Actor(user=world.operator))

    answer = client.put(
        "/admin-api/organizations/A9994/state",
        body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
        REMOTE_ADDR=OTHER_ADDRESS,
    )

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The request body is not valid JSON. ")
    assert Organization.objects.get(entity_id="A9994").status == "active"


@pytest.mark.parametrize(
    ("text", "is_csv"),
    [
        ('[{"client_id": "a", "client_id": "b"}]', False),
        ("client_id,organization,name,secret_hash,expires_at,addresses,name\n", True),
    ],
)
def test_clients_of_the_ssas(text, is_csv):
    with pytest.raises(importing.ImportRefusedError, match=r"same name|column name twice: name"):
        importing.read(StringIO(text), is_csv=is_csv)
