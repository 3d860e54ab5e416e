"""Parses the names of CCLF archives and of the files in them. Pure.

    archive   T.BCD.A9994.ZCY26.D261101.T1000000       T test or P production; Y current or R runout, year 26
    in it     T.BCD.A9994.ZC8Y26.D261101.T1000009      8 the beneficiaries, 0 the counts; other letters other files
              T.D9990.ACO.ZC8Y26.D261101.T1000009      outside the Shared Savings Program

Times are UTC. The last digit is tenths of a second.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from credentials.programs import MODELS, Model, model_of

_ARCHIVE = re.compile(
    r"(?P<environment>[PT])\.BCD\.(?P<entity_id>[A-Z0-9-]{1,12})\.ZC(?P<kind>[YR])(?P<year>[0-9]{2})"
    r"\.D(?P<date>[0-9]{6})\.T(?P<time>[0-9]{7})"
)
_MEMBER = re.compile(
    r"(?P<environment>[PT])\.(?P<owner>BCD\.[A-Z0-9-]{1,12}|[A-Z0-9-]{1,12}\.ACO)"
    r"\.ZC(?P<number>[0-9A-Z])(?P<kind>[YR])(?P<year>[0-9]{2})\.D(?P<date>[0-9]{6})\.T(?P<time>[0-9]{7})"
)
_LONGEST_SHOWN = 80


class Environment(StrEnum):
    PRODUCTION = "P"
    TEST = "T"


class Kind(StrEnum):
    """The claims that a roster is for: this year's, or last year's that are still being paid. As RosterFile.Kind."""

    CURRENT = "current"
    RUNOUT = "runout"


_KINDS = {"Y": Kind.CURRENT, "R": Kind.RUNOUT}
KIND_LETTERS = {kind: letter for letter, kind in _KINDS.items()}

# How the names of the files in an archive spell the organization, by program. Elsewhere it is D9990.ACO.
_OWNERS = {"SSP": "BCD.{entity_id}"}


class BadFileName(ValueError):  # noqa: N818  # named for what happened
    """The file name does not say whose roster it is. The message is for the user who sent the file."""


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """The parsed name of an archive. `text` is the name without folders and without `.zip`."""

    text: str
    environment: Environment
    entity_id: str
    model: Model
    kind: Kind
    performance_year: int
    made_at: dt.datetime


@dataclass(frozen=True, slots=True)
class MemberName:
    """The parsed name of a file in an archive. `owner` is the organization as that model spells it."""

    text: str
    environment: Environment
    owner: str
    number: str
    kind: Kind
    performance_year: int
    made_at: dt.datetime


def archive(file_name: str) -> ArchiveName:
    """Parse the name of an archive. A folder before it and `.zip` after it are allowed.

    Raises BadFileName.
    """
    text = without_folders(file_name)
    text = text[:-4] if text.lower().endswith(".zip") else text
    match = _ARCHIVE.fullmatch(text)
    if match is None:
        raise BadFileName(
            f"{_shown(text)} is not the name of a CCLF archive, for example T.BCD.A9994.ZCY26.D261101.T1000000. "
            "Use the name that CMS gave the file."
        )
    model = model_of(match["entity_id"])
    if model is None:
        known = ", ".join(f"{model.entity_id_example} ({model.name})" for model in MODELS)
        raise BadFileName(
            f"{_shown(text)} is for {match['entity_id']}, which is not an entity ID of a supported program. "
            f"Entity IDs look like {known}."
        )
    return ArchiveName(
        text=text,
        environment=Environment(match["environment"]),
        entity_id=match["entity_id"],
        model=model,
        kind=_KINDS[match["kind"]],
        performance_year=2000 + int(match["year"]),
        made_at=_moment(text, match["date"], match["time"]),
    )


def member(file_name: str) -> MemberName:
    """Parse the name of a file in an archive, without its folder. Raises BadFileName."""
    match = _MEMBER.fullmatch(file_name)
    if match is None:
        raise BadFileName(
            f"{_shown(file_name)} is not the name of a CCLF file, for example T.BCD.A9994.ZC8Y26.D261101.T1000009."
        )
    return MemberName(
        text=file_name,
        environment=Environment(match["environment"]),
        owner=match["owner"],
        number=match["number"],
        kind=_KINDS[match["kind"]],
        performance_year=2000 + int(match["year"]),
        made_at=_moment(file_name, match["date"], match["time"]),
    )


def differences(inside: MemberName, outside: ArchiveName) -> Iterator[str]:
    """Return how a file's name contradicts its archive, or None. Their times can differ by a second or so."""
    owner = owner_in_members(outside.model.program, outside.entity_id)
    facts = (
        ("organization", inside.owner, owner),
        ("environment", inside.environment.name.lower(), outside.environment.name.lower()),
        ("kind", inside.kind, outside.kind),
        ("performance year", inside.performance_year, outside.performance_year),
        ("date", inside.made_at.date(), outside.made_at.date()),
    )
    for what, here, there in facts:
        if here != there:
            yield f"The {what} in the name is {here}, but in the archive's name it is {there}."


def owner_in_members(program: str, entity_id: str) -> str:
    """Return, for example, BCD.A9994 or D9990.ACO."""
    return _OWNERS.get(program, "{entity_id}.ACO").format(entity_id=entity_id)


def without_folders(file_name: str) -> str:
    """Return the last part of a path from any operating system."""
    return re.split(r"[/\\]", file_name)[-1]


def _moment(text: str, date: str, time: str) -> dt.datetime:
    year, month, day = 2000 + int(date[:2]), int(date[2:4]), int(date[4:])
    hour, minute, second, tenths = int(time[:2]), int(time[2:4]), int(time[4:6]), int(time[6])
    try:
        return dt.datetime(year, month, day, hour, minute, second, tenths * 100_000, tzinfo=dt.UTC)
    except ValueError as error:
        raise BadFileName(
            f"{_shown(text)} has a date or time that does not exist (D{date} T{time}): {error}. "
            "The format is Dyymmdd and Thhmmsst."
        ) from error


def _shown(text: str) -> str:
    """Return a name for a message: without control characters, and not too long."""
    return repr(text[:_LONGEST_SHOWN]) + ("…" if len(text) > _LONGEST_SHOWN else "")
