"""What keeps the house in order: walls, names, locks, templates, documents."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from openapi_spec_validator import validate

from credentials.operators.urls import urlpatterns as admin_api_urls
from credentials.tokens.urls import urlpatterns as auth_urls
from exports.api.urls import urlpatterns as api_urls
from exports.versions import VERSIONS
from tests.services import REPOSITORY

PACKAGES = ("credentials", "attribution", "exports", "portal")
OURS = (*PACKAGES, "tests")


def files(pattern: str, *folders: str) -> list[Path]:
    return [path for folder in folders for path in (REPOSITORY / folder).rglob(pattern)]


def test_the_walls_between_the_packages_stand():
    # In a process of its own: it silences all loggers that there are.
    linter = Path(sys.executable).with_name("lint-imports")

    linted = subprocess.run([linter, "--no-cache"], cwd=REPOSITORY, check=False, capture_output=True, text=True)

    assert linted.returncode == 0, linted.stdout


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "helpers", "common", "services", "misc", "util", "helper"}

    found = {path for path in files("*", *PACKAGES) if path.stem in drawers}

    # What the versions of the API have in common is no drawer: nothing else may be in it, since it is below them.
    assert found == {REPOSITORY / "exports/fhir/common"}


def test_nothing_is_left_to_do():
    unfinished = re.compile(r"\b(TODO|FIXME|XXX)\b")

    found = [path for path in files("*.py", *PACKAGES) if unfinished.search(path.read_text())]

    assert not found


def test_migrations_are_named_for_what_they_do_and_can_be_undone():
    loader = MigrationLoader(None)
    ours = {key: migration for key, migration in loader.disk_migrations.items() if key[0] in PACKAGES}

    assert ours
    assert not [name for _, name in ours if "_auto_" in name]
    assert all(operation.reversible for migration in ours.values() for operation in migration.operations)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-node.txt"])
def test_locked_requirements_have_hashes_and_no_addresses(name):
    text = (REPOSITORY / name).read_text()

    assert "://" not in text
    requirements = re.findall(r"^\w.*$", text, re.MULTILINE)
    assert requirements
    assert len(requirements) == len(re.findall(r"^\w.*==.* \\\n    --hash=sha256:", text, re.MULTILINE))


def test_the_npm_lock_has_hashes_and_no_addresses():
    packages = json.loads((REPOSITORY / "package-lock.json").read_text())["packages"]

    assert not [name for name, facts in packages.items() if "resolved" in facts]
    assert all("integrity" in facts for name, facts in packages.items() if name)


def test_templates_hold_no_inline_script_or_style():
    inline = re.compile(r"<script(?![^>]*\bsrc=)|<style\b|\bstyle=|\son[a-z]+=|javascript:", re.IGNORECASE)
    for_mail = REPOSITORY / "templates" / "emails"

    found = [
        path
        for path in files("*.html", "templates")
        if for_mail not in path.parents and inline.search(path.read_text())
    ]

    assert not found


def test_every_setting_is_documented_and_every_documented_setting_is_read():
    source = (REPOSITORY / "portal" / "settings.py").read_text()
    read = set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z0-9_]+)"', source))
    documented = set(re.findall(r"^\| `([A-Z0-9_]+)`", (REPOSITORY / "docs" / "settings.md").read_text(), re.MULTILINE))

    assert read == documented


def test_the_openapi_document_is_valid_and_names_every_path():
    document = yaml.safe_load((REPOSITORY / "docs" / "openapi.yaml").read_text())

    validate(document)
    documented = {re.sub(r"\{\w+\}", "{}", path) for path in document["paths"]}
    served = {
        f"/{mount}/" + re.sub(r"<[^>]+>", "{}", str(pattern.pattern))
        for mount, patterns in (("auth", auth_urls), ("admin-api", admin_api_urls))
        for pattern in patterns
    }
    for pattern in api_urls:
        inner = getattr(pattern, "url_patterns", None)
        routes = [f"{pattern.pattern}{each.pattern}" for each in inner] if inner else [str(pattern.pattern)]
        served |= {"/" + re.sub(r"<[^>]+>", "{}", route) for route in routes}
    assert documented == served
    assert document["info"]["version"] == settings.CLAIMSGATE_VERSION
    assert {f"v{version.number}" for version in VERSIONS} == {
        path.split("/")[2] for path in documented if "/api/" in path
    }


def anchors(path: Path) -> set[str]:
    """The names by which headings are linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "path", [REPOSITORY / "README.md", *sorted(REPOSITORY.glob("docs/**/*.md"))], ids=lambda it: it.name
)
def test_links_in_the_documents_lead_somewhere(path):
    links = [link.partition("#") for link in re.findall(r"\]\(([^):\s]+)\)", path.read_text())]
    targets = [((path.parent / name if name else path), anchor) for name, _, anchor in links]

    assert not [str(target) for target, _ in targets if not target.exists()]
    assert not [f"{target}#{anchor}" for target, anchor in targets if anchor and anchor not in anchors(target)]


def test_no_file_names_this_machine():
    here = str(REPOSITORY)
    listed = [
        path for path in files("*", *OURS, "docs", "templates", "static") if path.is_file() and path.suffix != ".pyc"
    ]
    listed += [path for path in REPOSITORY.iterdir() if path.is_file()]

    assert not [path for path in listed if here.encode() in path.read_bytes()]
