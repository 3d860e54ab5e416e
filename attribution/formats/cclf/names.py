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

from attribution.formats.base import BadFileName, Kind, Label, shown, without_folders

EXAMPLE = "T.BCD.A9994.ZCY26.D261101.T1000000"

_ARCHIVE = re.compile(
    r"(?P<environment>[PT])\.BCD\.(?P<entity_id>[A-Z0-9-]{1,12})\.ZC(?P<kind>[YR])(?P<year>[0-9]{2})"
    r"\.D(?P<date>[0-9]{6})\.T(?P<time>[0-9]{7})"
)
_MEMBER = re.compile(
    r"(?P<environment>[PT])\.(?P<owner>BCD\.[A-Z0-9-]{1,12}|[A-Z0-9-]{1,12}\.ACO)"
    r"\.ZC(?P<number>[0-9A-Z])(?P<kind>[YR])(?P<year>[0-9]{2})\.D(?P<date>[0-9]{6})\.T(?P<time>[0-9]{7})"
)
_KINDS = {"Y": Kind.CURRENT, "R": Kind.RUNOUT}
KIND_LETTERS = {kind: letter for letter, kind in _KINDS.items()}

# How the names of the files in an archive spell the organization, by program. Elsewhere it is D9990.ACO.
_OWNERS = {"SSP": "BCD.{entity_id}"}


@dataclass(frozen=True, slots=True)
class MemberName:
    """The parsed name of a file in an archive. `owner` is the organization as its program spells it."""

    is_test: bool
    owner: str
    number: str
    kind: Kind
    performance_year: int
    made_at: dt.datetime


def is_archive(file_name: str) -> bool:
    """Return True for the name of an archive. A folder before it and `.zip` after it are allowed."""
    return _ARCHIVE.fullmatch(_bare(file_name)) is not None


def archive(file_name: str) -> Label:
    """Parse the name of an archive. Raises BadFileName."""
    text = _bare(file_name)
    match = _ARCHIVE.fullmatch(text)
    if match is None:
        raise BadFileName(f"{shown(text)} is not the name of a CCLF archive, for example {EXAMPLE}.")
    return Label(
        name=text,
        entity_id=match["entity_id"],
        kind=_KINDS[match["kind"]],
        performance_year=2000 + int(match["year"]),
        made_at=_moment(text, match["date"], match["time"]),
        is_test=match["environment"] == "T",
    )


def member(file_name: str) -> MemberName:
    """Parse the name of a file in an archive, without its folder. Raises BadFileName."""
    match = _MEMBER.fullmatch(file_name)
    if match is None:
        raise BadFileName(
            f"{shown(file_name)} is not the name of a CCLF file, for example T.BCD.A9994.ZC8Y26.D261101.T1000009."
        )
    return MemberName(
        is_test=match["environment"] == "T",
        owner=match["owner"],
        number=match["number"],
        kind=_KINDS[match["kind"]],
        performance_year=2000 + int(match["year"]),
        made_at=_moment(file_name, match["date"], match["time"]),
    )


def differences(inside: MemberName, outside: Label, *, owner: str) -> Iterator[str]:
    """Return how a file's name contradicts its archive's. Their times can differ by a second or so.

    `owner` is how such files spell the archive's organization.
    """
    made_on = outside.made_at.date() if outside.made_at else None
    facts = (
        ("organization", inside.owner, owner),
        ("environment", _environment(inside), _environment(outside)),
        ("kind", inside.kind, outside.kind),
        ("performance year", inside.performance_year, outside.performance_year),
        ("date", inside.made_at.date(), made_on),
    )
    for what, here, there in facts:
        if here != there:
            yield f"The {what} in the name is {here}, but in the archive's name it is {there}."


def member_like(outside: Label, number: str, *, owner: str) -> str:
    """Return how the name of a file in an archive begins."""
    environment, _, _, kind_and_year, _, _ = outside.name.split(".")
    return f"{environment}.{owner}.ZC{number}{kind_and_year[2:]}"


def owner_in_members(program: str, entity_id: str) -> str:
    """Return, for example, BCD.A9994 or D9990.ACO."""
    return _OWNERS.get(program, "{entity_id}.ACO").format(entity_id=entity_id)


def _bare(file_name: str) -> str:
    text = without_folders(file_name)
    return text[:-4] if text.lower().endswith(".zip") else text


def _environment(name: MemberName | Label) -> str:
    return "test" if name.is_test else "production"


def _moment(text: str, date: str, time: str) -> dt.datetime:
    year, month, day = 2000 + int(date[:2]), int(date[2:4]), int(date[4:])
    hour, minute, second, tenths = int(time[:2]), int(time[2:4]), int(time[4:6]), int(time[6])
    try:
        return dt.datetime(year, month, day, hour, minute, second, tenths * 100_000, tzinfo=dt.UTC)
    except ValueError as error:
        raise BadFileName(
            f"{shown(text)} has a date or time that does not exist (D{date} T{time}): {error}. "
            "The format is Dyymmdd and Thhmmsst."
        ) from error
