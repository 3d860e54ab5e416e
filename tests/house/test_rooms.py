"""The rooms of the house: a folder is a table of contents, a module fits into the head, a name means one thing."""

import re
from collections import defaultdict
from pathlib import Path, PurePath

import pytest

from tests.house.test_house import OURS, PACKAGES, files
from tests.services import REPOSITORY

MODULES_AT_MOST = 14
LINES_AT_MOST = 400
# Django's own names; and siblings that are alike on purpose: adapters have a base, a model has its page for operators.
DJANGO_S = {"admin", "apps", "forms", "models", "tasks", "urls", "views"}
ALIKE = {"base"}
# A path from the top of the repository, as documents name it.
PATH = re.compile(r"`([\w.-]+/[\w./*-]*)`")


def modules(package: str) -> list[Path]:
    return [path for path in files("*.py", package) if "migrations" not in path.parts]


@pytest.mark.parametrize("package", OURS)
def test_a_folder_is_a_table_of_contents(package):
    contents = defaultdict(list)
    for path in modules(package):
        if path.stem != "__init__":
            contents[path.parent.relative_to(REPOSITORY)].append(path.stem)

    assert contents
    assert not {str(folder): sorted(names) for folder, names in contents.items() if len(names) > MODULES_AT_MOST}


@pytest.mark.parametrize("package", OURS)
def test_a_module_fits_into_the_head(package):
    long = {
        str(path.relative_to(REPOSITORY)): lines
        for path in modules(package)
        if (lines := len(path.read_text().splitlines())) > LINES_AT_MOST
    }

    assert long.keys() <= {"portal/settings.py"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_means_one_thing_in_a_package(package):
    places = defaultdict(set)
    for path in modules(package):
        place = path.relative_to(REPOSITORY).with_suffix("")
        place = place.parent if place.name == "__init__" else place
        places[place.name].add(_alike(place))

    found = {name: sorted(map(str, where)) for name, where in places.items() if len(where) > 1}
    assert not {name: where for name, where in found.items() if name not in DJANGO_S | ALIKE}


def _alike(place: Path) -> PurePath:
    """One place for siblings: the page of a model, and the builders of a resource in the versions of FHIR."""
    parts = ["models" if part == "admin" else part for part in place.parts]
    if parts[1:2] == ["fhir"]:
        parts[2:3] = ["version"]
    return PurePath(*parts)


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md", "docs/glossary.md", "docs/security.md"])
def test_what_a_document_names_is_there(document):
    text = (REPOSITORY / document).read_text()

    named = {name for name in PATH.findall(text) if name.split("/")[0] in {*OURS, "templates", "static", "docs"}}
    assert named
    assert not {name for name in named if not list(REPOSITORY.glob(name))}
