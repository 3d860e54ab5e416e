"""Every command line that a document, a configuration or a message of ours tells somebody to type can be typed."""

import json
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import CommandError, get_commands, load_command_class
from gunicorn.config import Config

from credentials.access import addresses
from portal.laptop import processes
from tests.services import REPOSITORY

PACKAGES = ("credentials", "attribution", "exports", "portal")
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "compose.yaml", "Dockerfile", *(f"{name}/**/*.py" for name in PACKAGES))
    for path in sorted(REPOSITORY.glob(pattern))
]
# In code, in a block or between quotes. A command that is only mentioned is named without Python.
_MANAGE = re.compile(r"python manage\.py +((?:[^`”\n&#\"]|\"[^\"\n]*\")*)")
_GUNICORN = re.compile(r"^ *gunicorn (.*)$", re.MULTILINE)


def texts() -> dict[Path, str]:
    """Each document, with its broken lines joined."""
    return {
        path: re.sub(r"\\\n\s*|(?<=python)\n +(?=manage)|(?<=manage\.py)\n +", " ", path.read_text())
        for path in DOCUMENTS
    }


def lines(pattern: re.Pattern[str]) -> set[tuple[str, str]]:
    return {(path.name, " ".join(line.split())) for path, text in texts().items() for line in pattern.findall(text)}


@pytest.mark.parametrize(("document", "line"), sorted(lines(_MANAGE)))
def test_a_documented_command_of_manage_py_takes_its_arguments(document, line):
    name, *arguments = shlex.split(line.rstrip(".,:;)").partition("; ")[0])
    command = load_command_class(get_commands()[name], name)

    try:
        options = command.create_parser("manage.py", name).parse_args(arguments)
    except (CommandError, SystemExit) as error:
        pytest.fail(f"{document}: python manage.py {line}: {error}")

    for address in getattr(options, "addresses", []):
        assert addresses.problem(address, allows_loopback=True) is None


def test_the_commands_that_documents_show_are_found():
    found = lines(_MANAGE)

    assert ("production.md", "protect_audit --role claimsgate_app") in found
    assert ("sandbox.md", "make_sandbox simple-50 --with-client 8.8.4.4") in found
    assert len(found) > 20


@pytest.mark.parametrize(("document", "line"), sorted(lines(_GUNICORN)))
def test_a_documented_gunicorn_is_one_that_starts(document, line):
    arguments = Config().parser().parse_args(shlex.split(line))

    assert arguments.args == ["portal.wsgi"]
    assert arguments.workers
    assert arguments.worker_class == "gthread"
    assert arguments.access_log_format in {None, processes.ACCESS_LOG}


def test_production_and_the_image_write_the_same_access_log():
    assert f'--access-logformat "{processes.ACCESS_LOG}"' in (REPOSITORY / "docs" / "production.md").read_text()
    assert json.dumps(processes.ACCESS_LOG) in (REPOSITORY / "Dockerfile").read_text()
