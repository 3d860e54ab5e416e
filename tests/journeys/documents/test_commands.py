"""The commands that the README, the demo and the portal show, run as they stand there: by a shell, curl and Python."""

import html
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.conf import settings

from portal.management.commands.demo import curl_commands
from tests.exports.store import load, patient
from tests.journeys.conftest import Running, required_program
from tests.journeys.person import Person
from tests.world import World

pytestmark = [pytest.mark.journey, pytest.mark.debian]

README = (settings.BASE_DIR / "README.md").read_text()
HERE = "127.0.0.1"
PATIENCE_SECONDS = 60


class Shell:
    """A shell in an empty folder, whose commands find curl, openssl and Python, and the variables that they name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.variables: dict[str, str] = {}
        self.curl = required_program("curl")
        required_program("openssl")

    def run(self, command: str) -> str:
        found = subprocess.run(
            ["sh", "-eu", "-c", command],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], **self.variables},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return found.stdout

    def status_of(self, command: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and body that `curl -i` prints."""
        head, _, body = self.run(command).replace("\r\n", "\n").partition("\n\n")
        first, *headers = head.split("\n")
        pairs = (line.partition(": ") for line in headers)
        return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, body


@pytest.fixture
def shell(tmp_path) -> Shell:
    return Shell(tmp_path / "shell")


@pytest.fixture
def world(running_with) -> tuple[World, Running]:
    """Harbor is a sandbox here: its client may call from this machine, without a proxy that says where it is."""
    running = running_with({"TRUSTED_PROXIES": ""})
    world = World()
    world.harbor.is_sandbox = True
    world.harbor.save()
    mbis = world.beneficiaries(3)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi)] for mbi in mbis})
    return world, running


def commands_of_the_readme(base_url: str) -> list[str]:
    """The four calls of a client, on another port than the README's."""
    part = README.partition("## The four calls of a client\n")[2].partition("\n## ")[0]
    block = textwrap.dedent("\n".join(line for line in part.splitlines() if not line or line.startswith("    ")))
    commands = [each.partition("\n")[2].strip() for each in re.split(r"^# (?=\d\. )", block, flags=re.MULTILINE)[1:]]
    return [command.replace("http://localhost:8000", base_url) for command in commands]


def commands_of_the_demo(base_url: str) -> list[str]:
    return curl_commands(base_url, "$CLIENT_ID", "$CLIENT_SECRET")


@pytest.mark.parametrize("source", [commands_of_the_readme, commands_of_the_demo])
def test_the_four_calls_lead_from_a_secret_to_claims(world, shell, source):
    it, running = world
    api = it.api_client(addresses=[HERE])
    shell.variables |= {"CLIENT_ID": api.client.client_id, "CLIENT_SECRET": api.secret}
    token, start, status, fetch = source(running.base_url)

    shell.variables["TOKEN"] = json.loads(shell.run(token))["access_token"]
    started, headers, _ = shell.status_of(start)
    shell.variables["JOB"] = headers["content-location"].rpartition("/")[2]
    until = time.monotonic() + PATIENCE_SECONDS
    while (answer := shell.status_of(status))[0] == 202:
        assert "x-progress" in answer[1]
        assert time.monotonic() < until
    [entry] = json.loads(answer[2])["output"]
    shell.variables["FILE"] = entry["url"].rpartition("/")[2]
    shell.run(fetch)

    assert (started, answer[0]) == (202, 200)
    [file] = shell.folder.iterdir()
    assert file.name == shell.variables["FILE"]
    resources = [json.loads(line) for line in file.read_text().splitlines()]
    assert [resource["resourceType"] for resource in resources] == ["Patient"] * entry["count"] == ["Patient"] * 3


def test_what_the_portal_shows_works_as_it_stands_there(world, shell):
    it, running = world
    delegate = Person(running.base_url).signed_in_as(it.delegate)
    made = delegate.send("/organizations/A9994/credentials/new", name="The ‘big’ $ETL", address_1=HERE)
    page = delegate.get(made.headers["Location"]).text

    by_curl = json.loads(shell.run(shown(page)["curl"]))
    offered = re.search(r'download="([^"]+)" href="data:text/plain;charset=utf-8,([^"]*)"', page)
    (shell.folder / offered[1]).write_text(unquote(html.unescape(offered[2])))
    tests = shown(delegate.get("/organizations/A9994/connection").text)
    seen = json.loads(shell.run(tests["seen"]))
    asked = shell.status_of(f"set -a; . ./{offered[1]}; set +a\n{tests['token']}")

    assert by_curl["token_type"] == "Bearer"
    assert (seen["address"], asked[0]) == (HERE, 200)
    assert "access_token" in json.loads(asked[2])

    client_page = made.headers["Location"].removesuffix("/secret")
    shell.run(shown(delegate.get(f"{client_page}/keys").text)["make-keys"])
    public = (shell.folder / "public.pem").read_text()
    added = delegate.send(f"{client_page}/keys/new", name="Made here", pasted=public, kid="made-here")
    program = shown(delegate.get(f"{client_page}/keys").text)["sign"]
    (shell.folder / "sign.py").write_text(program)
    told = shell.run(f"{sys.executable} sign.py")

    assert added.status_code == 302, added.text
    assert "'access_token': 'cgt_" in told, told
    assert "'token_type': 'bearer'" in told


def shown(page: str) -> Mapping[str, str]:
    """The texts of the page's blocks of code, by their ids."""
    found = re.findall(r'<(?:pre|code)[^>]*\bid="([^"]+)"[^>]*>(.*?)</(?:pre|code)>', page, flags=re.DOTALL)
    return {name: html.unescape(text) for name, text in found}
