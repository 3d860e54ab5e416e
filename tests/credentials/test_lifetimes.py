"""How long things last, and what secrets look like, is each said in one place."""

import ast
import re

import pytest

from credentials import secret_text
from portal.redaction import redact
from tests.house.test_house import PACKAGES, files
from tests.services import REPOSITORY

# Steps of machines and what pages show, which say nothing about how long something is valid or kept.
STEPS = {
    ("credentials/operators/operator_tokens.py", "USE_IS_NOTED_EVERY"),
    ("credentials/models/refused_calls.py", "MINUTE"),
    ("credentials/outbox.py", "FIRST_PAUSE, LONGEST_PAUSE"),
    ("portal/pages/activity/forms.py", "_DAY"),
    ("portal/pages/activity/paging.py", "_MICROSECOND"),
    ("portal/pages/connection/views.py", "REFUSALS_SHOWN"),
    ("portal/pages/organizations/views.py", "A_DAY"),
    ("portal/sign_in/sessions.py", "RESOLUTION"),
    ("portal/words/standing.py", "ROSTER_IS_OLD"),
}


def durations(source: str) -> list[str]:
    """The names at the top of a module whose value is made of timedeltas."""
    return [
        ast.unparse(statement.targets[0]).strip("()")
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign) and "timedelta(" in ast.unparse(statement.value)
    ]


def test_it_finds_one():
    assert durations("KEPT = dt.timedelta(days=1)\nTWO = 2\n") == ["KEPT"]


@pytest.mark.parametrize("package", ["credentials", "portal"])
def test_how_long_things_last_is_said_in_one_place(package):
    places = {str(path.relative_to(REPOSITORY)): path.read_text() for path in files("*.py", package)}
    found = {(place, name) for place, source in places.items() for name in durations(source)}

    assert {place for place, _ in found - STEPS} <= {"credentials/lifetimes.py", "portal/settings.py"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_prefix_is_written_in_one_place(package):
    prefixes = re.compile("|".join(secret_text.Prefix))
    found = {str(path.relative_to(REPOSITORY)) for path in files("*.py", package) if prefixes.search(path.read_text())}

    assert found <= {"credentials/secret_text.py"}


@pytest.mark.parametrize("prefix", secret_text.Prefix)
def test_every_kind_is_redacted_and_no_request_id(prefix, client):
    text = secret_text.new(prefix)

    answer = client.get("/_health", headers={"X-Request-Id": text[:64]})

    assert redact(f"Wrong: {text}!") == f"Wrong: {prefix}[redacted]!"
    assert not answer["X-Request-Id"].startswith(prefix)


def test_256_random_bits_of_which_a_digest_and_a_hint_are_kept():
    text = secret_text.new(secret_text.Prefix.CLIENT_SECRET)

    assert re.fullmatch(r"cgs_[0-9a-f]{64}", text)
    assert text != secret_text.new(secret_text.Prefix.CLIENT_SECRET)
    assert len(secret_text.digest(text)) == 32
    assert text.endswith(secret_text.hint(text))
    assert len(secret_text.hint(text)) == 4
