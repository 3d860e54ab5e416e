"""Parses the names of CCLF archives and of the files in them. Pure.

    archive   P.A9994.ACO.ZCY26.D261101.T1000000       Y current or R runout, year 26
              P.BCD.A9994.ZCY26.D261101.T1000000
    in it     P.A9994.ACO.ZC8Y26.D261101.T1000009      8 the beneficiaries, 0 the counts; other letters other files
              P.BCD.A9994.ZC8Y26.D261101.T1000009

ACO-MS and 4i spell the organization A9994.ACO, and BCDA's own delivery BCD.A9994. Both occur outside and inside, for
every program. In IOTA it is IOTA990.PRT; in CEC, files in an archive can name the program alone.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from attribution.formats.base import BadFileName, Kind, Label, shown
from attribution.formats.cms_names import ENVIRONMENT, MOMENT, as_sent, is_test, moment

EXAMPLE = "P.BCD.A9994.ZCY26.D261101.T1000000"

_ID = "[A-Z0-9-]{1,12}"
_OWNER = rf"(?:BCD\.(?P<after_bcd>{_ID})|(?P<before_aco>{_ID})\.(?:ACO|PRT))"
_ARCHIVE = re.compile(rf"{ENVIRONMENT}\.{_OWNER}\.ZC(?P<weekly>W?)(?P<kind>[YR])(?P<year>[0-9]{{2}}){MOMENT}")
_MEMBER = re.compile(
    rf"{ENVIRONMENT}\.(?:{_OWNER}|(?P<program>CEC))\.ZC(?P<number>[0-9A-Z])(?P<kind>[YR])(?P<year>[0-9]{{2}}){MOMENT}"
)
_KINDS = {"Y": Kind.CURRENT, "R": Kind.RUNOUT}
KIND_LETTERS = {kind: letter for letter, kind in _KINDS.items()}

# How the names of the files in an archive usually spell the organization, by program. Elsewhere it is D9990.ACO.
_OWNERS = {"SSP": "BCD.{entity_id}", "IOTA": "{entity_id}.PRT", "CEC": "CEC"}


@dataclass(frozen=True, slots=True)
class MemberName:
    """The parsed name of a file in an archive. In CEC it can name the program, and then not the organization."""

    is_test: bool
    entity_id: str | None
    program: str | None
    number: str
    kind: Kind
    performance_year: int
    made_at: dt.datetime


def is_archive(file_name: str) -> bool:
    """Return True for a name that only an archive, or a file of one, can have: `archive` says more."""
    text = as_sent(file_name, ".zip")
    return _ARCHIVE.fullmatch(text) is not None or _MEMBER.fullmatch(text) is not None


def archive(file_name: str) -> Label:
    """Parse the name of an archive with a roster. Raises BadFileName."""
    text = as_sent(file_name, ".zip")
    match = _ARCHIVE.fullmatch(text)
    if match is None:
        if _MEMBER.fullmatch(text):
            raise BadFileName(
                f"{shown(text)} is one of the files in a CCLF archive. Load the whole archive, without unpacking it."
            )
        raise BadFileName(
            f"{shown(text)} is not the name of a CCLF archive, for example {EXAMPLE}. "
            "Use the name that CMS gave the file."
        )
    if match["weekly"]:
        raise BadFileName(
            f"{shown(text)} is a weekly CCLF archive (ZCW). The roster comes with the monthly archive, "
            f"whose name has ZC{match['kind']}{match['year']}. Load that one."
        )
    return Label(
        name=text,
        entity_id=match["after_bcd"] or match["before_aco"],
        kind=_KINDS[match["kind"]],
        performance_year=2000 + int(match["year"]),
        made_at=moment(match),
        is_test=is_test(match),
    )


def member(file_name: str) -> MemberName:
    """Parse the name of a file in an archive, without its folder. Raises BadFileName."""
    match = _MEMBER.fullmatch(file_name)
    if match is None:
        raise BadFileName(
            f"{shown(file_name)} is not the name of a CCLF file, for example P.BCD.A9994.ZC8Y26.D261101.T1000009."
        )
    return MemberName(
        is_test=is_test(match),
        entity_id=match["after_bcd"] or match["before_aco"],
        program=match["program"],
        number=match["number"],
        kind=_KINDS[match["kind"]],
        performance_year=2000 + int(match["year"]),
        made_at=moment(match),
    )


def differences(inside: MemberName, outside: Label, *, program: str) -> Iterator[str]:
    """Return how a file's name contradicts its archive's, and what to do. Their times can differ by a second or so."""
    named, right = (inside.entity_id, outside.entity_id) if inside.entity_id else (inside.program, program)
    if named != right:
        yield (
            f"The organization in the name is {named}, but in the archive's name it is {outside.entity_id}. "
            f"Choose the archive of {outside.entity_id}."
        )
    made_on = outside.made_at.date() if outside.made_at else None
    facts = (
        ("environment", _environment(inside), _environment(outside)),
        ("kind", inside.kind, outside.kind),
        ("performance year", inside.performance_year, outside.performance_year),
        ("date", inside.made_at.date(), made_on),
    )
    for what, here, there in facts:
        if here != there:
            yield (
                f"The {what} in the name is {here}, but in the archive's name it is {there}. "
                "The archive was probably renamed. Download it again, and keep the name that CMS gave it."
            )


def member_like(outside: Label, number: str, *, owner: str) -> str:
    """Return how the name of a file in an archive begins."""
    environment, _, _, kind_and_year, _, _ = outside.name.split(".")
    return f"{environment}.{owner}.ZC{number}{kind_and_year[2:]}"


def owner_in_members(program: str, entity_id: str) -> str:
    """Return, for example, BCD.A9994 or D9990.ACO."""
    return _OWNERS.get(program, "{entity_id}.ACO").format(entity_id=entity_id)


def _environment(name: MemberName | Label) -> str:
    return "test" if name.is_test else "production"
