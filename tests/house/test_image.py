"""What goes into the image, and what compose.yaml makes of it. There is no Docker here: the files are read."""

import ast
import fnmatch
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from tests.services import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


# --- What is copied -------------------------------------------------------------------------------------------------


def patterns() -> list[str]:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def is_copied(path: str) -> bool:
    """Whether `COPY . .` takes a file, by Docker's rules: the last pattern that fits it, or a folder of it, decides."""
    places = [str(place) for place in (PurePosixPath(path), *PurePosixPath(path).parents) if str(place) != "."]
    copied = True
    for pattern in patterns():
        wanted = pattern.removeprefix("!")
        if any(_fits(place, wanted) for place in places):
            copied = pattern.startswith("!")
    return copied


def _fits(path: str, pattern: str) -> bool:
    """`*` stands for anything but a slash, `**/` for any folders or none."""
    if pattern.startswith("**/"):
        parts = path.split("/")
        return any(_fits("/".join(parts[start:]), pattern[3:]) for start in range(len(parts)))
    same_depth = path.count("/") == pattern.count("/")
    return same_depth and all(map(fnmatch.fnmatchcase, path.split("/"), pattern.split("/")))


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".env.production",
        ".git/config",
        ".venv/bin/python",
        "node_modules/htmx.org/package.json",
        "var/secret-key",
        "var/postgres/data/PG_VERSION",
        "compose.override.yaml",
        "dump.sql",
        "key.pem",
        "portal/.env",
        "credentials/login-gov.pem",
        "portal/__pycache__/settings.cpython-312.pyc",
        "tests/world.py",
    ],
)
def test_no_secret_no_data_and_no_history_goes_into_the_image(path):
    assert not is_copied(path)


def test_all_that_the_product_is_made_of_goes_into_the_image():
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    ours = re.compile(r"(attribution|credentials|exports|portal|static|templates)/|manage\.py$|requirements\.txt$")

    missing = [path for path in listed.stdout.splitlines() if ours.match(path) and not is_copied(path)]

    assert "COPY . .\n" in DOCKERFILE
    assert not missing
    for named in ("package.json", "package-lock.json", ".npmrc", "requirements.txt"):
        assert is_copied(named)


def test_git_does_not_take_the_secrets_of_compose():
    ignored = subprocess.run(["git", "check-ignore", "--quiet", "--no-index", ".env"], cwd=REPOSITORY, check=False)

    assert ignored.returncode == 0


# --- compose.yaml ---------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, list[str]]]:
    """What runs in each of our containers; the server runs what the image says."""
    said = re.search(r"^CMD (\[.*\])", DOCKERFILE.replace("\\\n", ""), re.MULTILINE)
    assert said
    for name, service in SERVICES.items():
        if "build" in service:
            command = shlex.split(service["command"]) if "command" in service else json.loads(said[1])
            yield name, command


def waits_for(name: str) -> dict[str, str]:
    return {other: how["condition"] for other, how in SERVICES[name].get("depends_on", {}).items()}


def test_everything_of_ours_waits_for_the_migrations():
    ours = {name for name, _ in commands()}

    assert {"migrate", "server", "worker", "beat"} <= ours
    for name in ours - {"migrate"}:
        assert waits_for(name)["migrate"] == "service_completed_successfully", name
        assert waits_for(name)["broker"] == "service_healthy", name
    assert waits_for("migrate") == {"database": "service_healthy"}
    # One that runs again after it has ended well would never be completed.
    assert SERVICES["migrate"]["restart"].startswith("on-failure")


def test_whatever_is_waited_for_as_healthy_says_how_it_is():
    awaited = {
        other for name in SERVICES for other, condition in waits_for(name).items() if condition == "service_healthy"
    }

    assert awaited == {"database", "broker"}
    assert all(SERVICES[name]["healthcheck"]["test"][0] == "CMD" for name in awaited)


def test_the_commands_exist():
    for name, command in commands():
        match command:
            case ["sh", "-c", script]:
                steps = [shlex.split(step) for step in script.split("&&")]
                assert steps, name
                assert all(step[:2] == ["python", "manage.py"] and step[2] in get_commands() for step in steps)
                for step in steps:
                    parser = load_command_class(get_commands()[step[2]], step[2]).create_parser("manage.py", step[2])
                    parser.parse_args(step[3:])
            case ["gunicorn", "portal.wsgi", *_]:
                assert name == "server"
            case ["celery", "--app", "portal", "worker" | "beat", *_]:
                pass
            case other:
                raise AssertionError(f"{name}: {other}")


def test_migrations_run_as_the_owner_and_everything_else_as_the_other_role():
    def role(name: str) -> str:
        return SERVICES[name]["environment"]["DATABASE_URL"].partition("://")[2].partition(":")[0]

    roles = {name: role(name) for name, _ in commands()}

    assert roles.pop("migrate") == "claimsgate_owner" == SERVICES["database"]["environment"]["POSTGRES_USER"]
    assert set(roles.values()) == {"claimsgate_app"}
    assert "protect_audit --role claimsgate_app" in SERVICES["migrate"]["command"]
    assert "CREATE ROLE claimsgate_app LOGIN" in COMPOSE["configs"]["roles"]["content"]


def test_no_secret_stands_in_compose_and_none_may_be_empty():
    text = (REPOSITORY / "compose.yaml").read_text()
    named = dict(re.findall(r"\$\{(\w+)(:[?-])?", text))

    for secret in ("SECRET_KEY", "OWNER_PASSWORD", "APP_PASSWORD", "EMAIL_URL", "ALLOWED_HOSTS"):
        assert f"${{{secret}:?}}" in text
    assert named
    assert not re.search(r"(PASSWORD|SECRET_KEY): *['\"]?\w", text)


def test_the_server_is_reached_from_this_machine_alone_and_its_health_is_asked_by_name():
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["server"]["ports"])
    [program] = [part for part in SERVICES["server"]["healthcheck"]["test"] if "\n" in part]
    ast.parse(program)
    assert '"Host": host' in program
    assert "/_health" in program
