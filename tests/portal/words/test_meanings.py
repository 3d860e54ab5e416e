"""Whatever can be refused has words: why, and what to do about it. A reason without them is a type error."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.models import AuditEvent
from credentials.trail import audit
from portal.pages.connection import refused as refused_calls
from portal.words import meanings, wording
from tests.services import REPOSITORY

PURE = ("credentials/access/reasons.py", "portal/words/meanings.py")


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_is_told_with_what_to_do(reason):
    meaning = meanings.of_reason(reason.value)

    assert meaning.text.endswith(".")
    assert meaning.remedy.endswith(".")
    assert reason.value not in meaning.text


def test_a_new_reason_without_words_is_a_type_error(tmp_path):
    copy_into(tmp_path)
    as_it_is = mypy(tmp_path)
    with (tmp_path / "credentials/access/reasons.py").open("a") as file:
        file.write('    MOON_IN_RETROGRADE = "moon_in_retrograde"\n')

    with_another = mypy(tmp_path)

    assert as_it_is.returncode == 0, as_it_is.stdout
    assert with_another.returncode == 1
    assert "Reason.MOON_IN_RETROGRADE" in with_another.stdout


def test_words_without_what_to_do_are_a_type_error(tmp_path):
    copy_into(tmp_path)
    with (tmp_path / "portal/words/meanings.py").open("a") as file:
        file.write('\n_PLANTED = Meaning("The moon was full.")\n')

    planted = mypy(tmp_path)

    assert planted.returncode == 1
    assert 'Missing positional argument "remedy"' in planted.stdout


def copy_into(folder: Path) -> None:
    for name in PURE:
        copy = folder / name
        copy.parent.mkdir(parents=True)
        for package in (copy.parent, copy.parent.parent):
            (package / "__init__.py").touch()
        shutil.copy(REPOSITORY / name, copy)


def mypy(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir=var",
        "portal/words/meanings.py",
    ]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("action", audit.Action)
def test_each_act_has_a_title(action):
    assert wording.title_of(action.value) not in {"", action.value}


def test_what_another_version_wrote_is_shown_as_it_is(world, delegate, read):
    client = world.api_client().client
    for action in (audit.Action.REQUEST_REFUSED, "request.enchanted"):
        AuditEvent.objects.create(
            action=action,
            outcome=AuditEvent.Outcome.DENIED,
            organization=world.harbor,
            client=client,
            address="9.9.9.9",
            detail={"reason": "moon_in_retrograde"},
        )

    trail = read(delegate.get("/organizations/A9994/audit"))
    calls = refused_calls.since(world.harbor, AuditEvent.objects.earliest("occurred_at").occurred_at)

    assert "Request enchanted" in trail.text
    assert "moon_in_retrograde" in trail.text
    assert [meaning for meaning, _ in refused_calls.by_reason(calls)] == [meanings.Meaning("Moon in retrograde.", "")]


def test_an_imported_secret_that_was_not_tried_says_what_helps(world, delegate, read):
    client = world.api_client().client
    audit.record(
        audit.Action.TOKEN_REFUSED,
        Actor(address="9.9.9.9"),
        organization=world.harbor,
        client=client,
        reason=Reason.IMPORTED_SECRET_NOT_TRIED,
    )

    overview = read(delegate.get("/organizations/A9994/connection"))

    assert "so it wasn’t checked" in overview.text
    assert "add it to the list and call again" in overview.text
