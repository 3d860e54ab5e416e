"""Random rosters, in every format and as tools and people leave them, come back; random damage changes nothing.

The dice have a seed, so that a failure can be seen again: its number is in the name of the test.
"""

import io
import random
import zipfile
from collections.abc import Sequence

import pytest

from attribution import identifiers
from attribution.formats.base import BadFileName
from attribution.loading import load_roster
from attribution.models import Beneficiary, Mbi, RosterEntry, RosterFile
from attribution.synthetic import people
from credentials.actor import Actor
from credentials.models import Organization
from credentials.programs import program_of
from tests.attribution.archives import counts
from tests.world import OrganizationFactory

pytestmark = pytest.mark.django_db

DAY = "D261101.T1000000"
NAMES = ("PEÑA", "O'BRIEN", "SMITH, JR", 'THE "KID"', "", "=1+1", "LOPEZ\tRUIZ")


def cclf(dice: random.Random, lines: Sequence[str], entity_id: str) -> tuple[str, bytes]:
    """The name and the content of an archive with a line for each of these MBIs."""
    encoding = dice.choice(("latin-1", "utf-8"))
    width = dice.choice((11, 37, 549))
    end = dice.choice((b"\n", b"\r\n"))
    records = [f"{mbi:11}{dice.choice(NAMES)}".ljust(width)[: max(width, 11)].encode(encoding) for mbi in lines]
    last = dice.choice((end, end + b"\x1a", b"\x1a", end + b"   " + end, b"" if width > 37 or width == 11 else end))
    stated = counts(len(lines) + (dice.random() < 0.3 and last != b""), 549)
    if dice.random() < 0.5:
        stated = b"|\n".join(stated.split(b"\n")) + b"|"
    content = {"0": stated, "8": end.join(records) + last, "9": b"xref", "A": b""}

    spelled = (f"P.BCD.{entity_id}", f"P.{entity_id}.ACO")
    inside, folder = dice.choice(spelled), dice.choice(("", "a folder/", "b\\"))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for number in dice.sample(sorted(content), len(content)):
            archive.writestr(f"{folder}{inside}.ZC{number}Y26.{DAY}", content[number])
            archive.writestr(f"__MACOSX/._{inside}.ZC{number}Y26.{DAY}", b"Mac")
    return f"{dice.choice(spelled)}.ZCY26.{DAY}{dice.choice(('', '.zip', ' (1).zip'))}", made.getvalue()


def csv_roster(dice: random.Random, lines: Sequence[str], entity_id: str) -> tuple[str, bytes]:
    """The name and the content of a CSV roster with a row for each of these MBIs."""
    encoding = dice.choice(("latin-1", "utf-8", "utf-8-sig"))
    end, quote, blank = dice.choice(("\n", "\r\n")), dice.choice(("", '"')), dice.choice(("", " "))
    extra = dice.choice(("", ",x", ',"Peña, A"', ',"two\nlines"'))
    rows = ["MBIs" + dice.choice(("", ",name")), *(f"{quote}{blank}{mbi}{quote}{extra}" for mbi in lines)]
    text = end.join(rows) + dice.choice(("", end, end + end, end + "\x1a"))
    name = f"P.GUIDE.{entity_id}.Y26.{DAY}"
    return name + dice.choice(("", ".csv", " (2).csv")), text.encode(encoding)


WRITERS = {"A9994": cclf, "D9990": cclf, "GUIDE-9990": csv_roster}


def made(seed: int) -> tuple[Organization, str, bytes, set[str]]:
    """An organization, the name and content of a roster for it, and the MBIs on it."""
    dice = random.Random(seed)
    entity_id = dice.choice(list(WRITERS))
    mbis = [person.mbi for person in people(seed, dice.choice((1, 2, 5, 40)))]
    lines = dice.sample([*mbis, *(dice.choices(mbis, k=3) if dice.random() < 0.3 else ())], k=len(mbis))
    lines += [mbi for mbi in mbis if mbi not in lines]
    name, content = WRITERS[entity_id](dice, lines, entity_id)
    return OrganizationFactory(entity_id=entity_id, program=program_of(entity_id)), name, content, set(mbis)


def rows_of_the_database() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in (Beneficiary, Mbi, RosterEntry)}


def mbis_of(roster: RosterFile) -> set[str]:
    return set(Mbi.objects.filter(beneficiary__roster_entries__roster=roster).values_list("value", flat=True))


@pytest.mark.parametrize("seed", range(60))
def test_a_roster_comes_back_however_it_was_written(seed: int) -> None:
    organization, name, content, mbis = made(seed)

    roster = load_roster(io.BytesIO(content), file_name=name, by=Actor(), organization=organization)

    assert roster.problems == []
    assert roster.beneficiary_count == len(mbis)
    assert mbis_of(roster) == mbis


def damaged(dice: random.Random, content: bytes) -> bytes:
    broken = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 4))):
        place = dice.randrange(len(broken) or 1)
        match dice.randrange(5):
            case 0:
                broken[place : place + 1] = dice.randbytes(1)
            case 1:
                del broken[place : place + dice.randrange(1, 60)]
            case 2:
                broken[place:place] = dice.choice((b"\x00", b"\xff\xfe", b'"', b"\n", b"\r", b",", dice.randbytes(9)))
            case 3:
                del broken[place:]
            case _:
                broken[place : place + 4] = dice.choice((b"\xff" * 4, b"\x00" * 4))
    return bytes(broken)


@pytest.mark.parametrize("seed", range(20))
def test_damage_never_crashes_and_changes_nothing_or_keeps_the_roster(seed: int) -> None:
    organization, name, content, mbis = made(seed)
    dice = random.Random(f"damage {seed}")
    for _ in range(12):
        before = rows_of_the_database()
        refusals = RosterFile.objects.filter(status=RosterFile.Status.REFUSED).count()
        broken = damaged(dice, content)

        try:
            roster = load_roster(io.BytesIO(broken), file_name=name, by=Actor(), organization=organization)
        except BadFileName:
            assert rows_of_the_database() == before
            continue

        if roster.status == RosterFile.Status.REFUSED:
            assert rows_of_the_database() == before
            assert RosterFile.objects.filter(status=RosterFile.Status.REFUSED).count() == refusals + 1
            assert all(problem["reason"] for problem in roster.problems)
            assert not any(mbi in str(roster.problems) for mbi in mbis)
            continue
        found = mbis_of(roster)
        # An archive has checksums. A list has none: what is left of its lines must at least be MBIs.
        assert found == mbis or WRITERS[organization.entity_id] is csv_roster
        assert not any(identifiers.fault(mbi) for mbi in found)
        roster.entries.all().delete()
        roster.delete()
