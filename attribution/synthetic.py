"""Synthetic beneficiaries and their rosters. The same seed gives the same beneficiaries. Pure."""

import datetime as dt
import hashlib
import io
import json
import struct
import zipfile
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Generic, TypeVar

from attribution.formats.base import Kind
from attribution.formats.cclf.names import KIND_LETTERS, owner_in_members
from attribution.identifiers import LETTERS
from credentials.programs import program_of


@dataclass(frozen=True, slots=True)
class SyntheticPerson:
    """A synthetic beneficiary, in the codes of CCLF8.

    The MBI has the letter S in second place, which CMS never assigns, so it can't be a real one.
    """

    mbi: str
    given_name: str
    middle_name: str
    family_name: str
    birth_date: dt.date
    sex: str  # 1 male, 2 female
    race: str  # 0 unknown, 1 white, 2 Black, 3 other, 4 Asian, 5 Hispanic, 6 North American Native
    address_line: str
    city: str
    state: str  # postal abbreviation
    state_fips: str  # two digits
    county_fips: str  # three digits
    zip_code: str  # five digits
    medicare_status: str  # 10 aged, 11 aged with ESRD, 20 disabled, 21 disabled with ESRD, 31 ESRD
    original_entitlement: str  # 0 age, 1 disability, 2 ESRD, 3 both
    dual_status: str  # NA: not a dual
    part_a_start_date: dt.date
    part_b_start_date: dt.date
    has_part_d: bool
    death_date: dt.date | None


# Ages are computed for this day, not for today, so that a seed gives the same beneficiaries next year.
REFERENCE_DATE = dt.date(2026, 1, 1)
AGED_FROM = 65
RECORD_LENGTH = 549

_Value = TypeVar("_Value")


class _Weighted(Generic[_Value]):
    """Values with weights."""

    def __init__(self, values: Iterable[_Value], weights: Iterable[float]) -> None:
        self._values = list(values)
        self._cumulative = list(accumulate(weights))

    def at(self, draw: float) -> _Value:
        """Return the value at a place from 0 up to, and not including, 1."""
        return self._values[bisect(self._cumulative, draw * self._cumulative[-1])]


_POPULATION = json.loads(Path(__file__).with_name("population.json").read_text())
_AGE_BANDS = _Weighted(_POPULATION["age_bands"], [band["weight"] for band in _POPULATION["age_bands"]])
_STATES = _Weighted(_POPULATION["states"], [state["weight"] for state in _POPULATION["states"]])
_SEX = _Weighted(_POPULATION["sex"], _POPULATION["sex"].values())
_RACE = _Weighted(_POPULATION["race"], _POPULATION["race"].values())
_DUAL_STATUS = _Weighted(_POPULATION["dual_status"], _POPULATION["dual_status"].values())
# Beneficiaries whose Medicare began before 65, by reason.
_DISABLED_ENTITLEMENT = _Weighted("123", [97, 2, 1])
_AGED_ENTITLEMENT = _Weighted("0123", [88, 11, 0.6, 0.4])

_ESRD_SHARE = 0.007
_PART_B_LATER_SHARE = 0.1
_PART_D_SHARE = 0.7
_DEATHS_A_YEAR = 0.045

# Names as in public test data: a number at the end marks them as synthetic.
_GIVEN_NAMES = {
    "1": (
        *("Abel", "Arturo", "Benoit", "Carlton", "Desmond", "Elias", "Ferdinand", "Giles", "Harlan", "Isidro"),
        *("Jules", "Kelvin", "Lorenzo", "Milan", "Norbert", "Orville", "Percival", "Quentin", "Rufus", "Stellan"),
        *("Tobias", "Ulysses", "Vicente", "Wendell", "Xavier", "Yusuf", "Zachary", "Amos", "Clyde", "Otis"),
    ),
    "2": (
        *("Adela", "Beatriz", "Clarice", "Delphine", "Edwina", "Flora", "Greta", "Henrietta", "Imelda", "Josefa"),
        *("Katrin", "Leonora", "Marisol", "Nadine", "Ottilie", "Philippa", "Ramona", "Sabine", "Thelma", "Ursula"),
        *(
            "Verena",
            "Winifred",
            "Xiomara",
            "Yolanda",
            "Zelda",
            "Agatha",
            "Bettina",
            "Cordelia",
            "Dorothea",
            "Esperanza",
        ),
    ),
}
_FAMILY_NAMES = (
    *("Abernath", "Altwood", "Baumeler", "Bellrose", "Castaner", "Corvane", "Dahlgren", "Delacour", "Eastmere"),
    *("Ekholm", "Farnley", "Ferrand", "Galindo", "Grantham", "Halvorn", "Hollister", "Ibarra", "Ingleby", "Jansky"),
    *("Jarrow", "Kestrel", "Kowalik", "Lindqvist", "Lomax", "Marchetti", "Montrose", "Nakada", "Norwood", "Oakhurst"),
    *("Ostrander", "Pemberly", "Posada", "Quarles", "Quintero", "Rasmund", "Redfern", "Salazar", "Stenholm"),
    *(
        "Thackery",
        "Tremaine",
        "Ulvestad",
        "Underhill",
        "Valdane",
        "Vosburgh",
        "Wetherby",
        "Whitlock",
        "Yarrow",
        "Zamora",
    ),
)
_STREETS = (
    *("Alder Row", "Birch Crescent", "Cedar Gate", "Dover Walk", "Elm Parade", "Foundry Lane", "Garden Mews"),
    *("Harbor View", "Ivy Close", "Juniper Way", "Kiln Street", "Lantern Hill", "Meadow Run", "North Quay"),
    *("Orchard Bend", "Poplar Place", "Quarry Road", "River Terrace", "Station Street", "Willow Path"),
)
_TOWNS = (
    *("ASHBOURNE FALLS", "BRINDLE CREEK", "CALDER MILLS", "DUNMORE POINT", "EASTHAVEN", "FALLOWFIELD", "GREYSTONE"),
    *("HOLLOW BRIDGE", "IRONWOOD", "JASPER VALLEY", "KINGSMERE", "LARKSPUR", "MILLBROOK", "NEWBRIDGE", "OAKVALE"),
    *("PINE HARBOR", "QUILL LAKE", "ROSEMONT", "STONEFORD", "THORNBURY"),
)

# --- MBIs -----------------------------------------------------------------------------------------------------------

_DIGITS = "0123456789"
_EITHER = _DIGITS + LETTERS
# By position; the second is always S.
_MBI_ALPHABETS = (
    *("123456789", "S", _EITHER, _DIGITS),
    *(LETTERS, _EITHER, _DIGITS),
    *(LETTERS, LETTERS, _DIGITS, _DIGITS),
)
_MBI_COUNT = prod(len(alphabet) for alphabet in _MBI_ALPHABETS)
# It has no common factor with the count, so consecutive indexes give different MBIs that don't look alike.
_MBI_STEP = 400_486_024_679


def _mbi(offset: int, index: int) -> str:
    number = (offset + index * _MBI_STEP) % _MBI_COUNT
    characters: list[str] = []
    for alphabet in reversed(_MBI_ALPHABETS):
        number, place = divmod(number, len(alphabet))
        characters.append(alphabet[place])
    return "".join(reversed(characters))


# --- People ---------------------------------------------------------------------------------------------------------

_DRAWS = struct.Struct("<32I")


def people(seed: int, count: int, *, start: int = 0) -> Iterator[SyntheticPerson]:
    """Return the beneficiaries number `start` to `start + count - 1` of a seed.

    Each one depends only on the seed and its number. No two of a seed have the same MBI.
    """
    offset = int.from_bytes(hashlib.blake2b(f"mbi {seed}".encode(), digest_size=8).digest())
    for index in range(start, start + count):
        yield _person(seed, index, _mbi(offset, index))


def _person(seed: int, index: int, mbi: str) -> SyntheticPerson:
    # A hash instead of a random generator: it gives the same numbers in every Python version, and fast.
    digest = hashlib.shake_128(f"person {seed} {index}".encode()).digest(_DRAWS.size)
    draws = (number / 2**32 for number in _DRAWS.unpack(digest))

    def pick(values: Sequence[_Value]) -> _Value:
        return values[int(next(draws) * len(values))]

    def below(limit: int) -> int:
        return int(next(draws) * limit)

    band = _AGE_BANDS.at(next(draws))
    age = band["from"] + below(band["to"] - band["from"] + 1)
    birth_date = _years_before(REFERENCE_DATE, age) - dt.timedelta(days=below(365))
    sex = _SEX.at(next(draws))
    state = _STATES.at(next(draws))
    entitlement = (_AGED_ENTITLEMENT if age >= AGED_FROM else _DISABLED_ENTITLEMENT).at(next(draws))
    age_at_start = AGED_FROM if entitlement == "0" else 22 + below(min(age, AGED_FROM - 1) - 22 + 1)
    part_a_start_date = birth_date.replace(year=birth_date.year + age_at_start, day=1)
    part_b_start_date = part_a_start_date
    years_later = 1 + below(3)
    if next(draws) < _PART_B_LATER_SHARE and part_a_start_date.year + years_later < REFERENCE_DATE.year:
        part_b_start_date = dt.date(part_a_start_date.year + years_later, 7, 1)
    has_died, day_of_death = next(draws) < _DEATHS_A_YEAR, REFERENCE_DATE - dt.timedelta(days=1 + below(365))
    return SyntheticPerson(
        mbi=mbi,
        given_name=f"{pick(_GIVEN_NAMES[sex])}{below(1000)}",
        middle_name=f"{pick(_GIVEN_NAMES[sex])}{below(1000)}",
        family_name=f"{pick(_FAMILY_NAMES)}{below(1000)}",
        birth_date=birth_date,
        sex=sex,
        race=_RACE.at(next(draws)),
        address_line=f"{1 + below(999)} {pick(_STREETS)}",
        city=pick(_TOWNS),
        state=state["abbreviation"],
        state_fips=state["fips"],
        county_fips=f"{1 + 2 * below(30):03}",
        zip_code=f"{state['zip3']}{below(100):02}",
        medicare_status=_medicare_status(age, entitlement, has_kidney_failure=next(draws) < _ESRD_SHARE),
        original_entitlement=entitlement,
        dual_status=_DUAL_STATUS.at(next(draws)),
        part_a_start_date=part_a_start_date,
        part_b_start_date=part_b_start_date,
        has_part_d=next(draws) < _PART_D_SHARE,
        death_date=day_of_death if has_died and day_of_death > part_b_start_date else None,
    )


def _medicare_status(age: int, entitlement: str, *, has_kidney_failure: bool) -> str:
    if age >= AGED_FROM:
        return "11" if has_kidney_failure or entitlement in {"2", "3"} else "10"
    if entitlement == "2":
        return "31"
    return "21" if has_kidney_failure or entitlement == "3" else "20"


def _years_before(day: dt.date, years: int) -> dt.date:
    return day.replace(year=day.year - years)


# --- Rosters --------------------------------------------------------------------------------------------------------


def cclf_archive_name(
    entity_id: str,
    performance_year: int,
    timestamp: dt.datetime,
    kind: str = Kind.CURRENT,
    *,
    number: str = "",
    is_test: bool = True,
) -> str:
    """Return the name of an archive, or of the file with a number in it. The timestamp must have a time zone."""
    program = program_of(entity_id)
    if program is None:
        raise ValueError(f"No program has entity IDs like {entity_id}.")
    moment = timestamp.astimezone(dt.UTC)
    owner = owner_in_members(program.code, entity_id) if number else f"BCD.{entity_id}"
    letter = KIND_LETTERS[Kind(kind)]
    tenths = moment.microsecond // 100_000
    environment = "T" if is_test else "P"
    time = f"D{moment:%y%m%d}.T{moment:%H%M%S}{tenths}"
    return f"{environment}.{owner}.ZC{number}{letter}{performance_year % 100:02}.{time}"


def cclf_archive(
    people: Iterable[SyntheticPerson],
    *,
    entity_id: str,
    performance_year: int,
    timestamp: dt.datetime,
    kind: str = Kind.CURRENT,
    is_test: bool = True,
) -> bytes:
    """Return a zipped CCLF archive: CCLF8 with 549 characters for each beneficiary, CCLF0 with the count."""

    def member(number: str) -> zipfile.ZipInfo:
        name = cclf_archive_name(entity_id, performance_year, timestamp, kind, number=number, is_test=is_test)
        info = zipfile.ZipInfo(name, date_time=timestamp.astimezone(dt.UTC).timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        return info

    made = io.BytesIO()
    count = 0
    today = timestamp.astimezone(dt.UTC).date()
    with zipfile.ZipFile(made, "w") as archive:
        with archive.open(member("8"), "w") as beneficiaries:
            for person in people:
                beneficiaries.write(_cclf8(person, today).encode("ascii"))
                count += 1
        archive.writestr(member("0"), _cclf0(count))
    return made.getvalue()


def _cclf0(count: int) -> str:
    lines = ["File Number  |File Description    |Total Records Count |Record Length"]
    lines.append(f"{'CCLF8':7}|{'Beneficiary Demographics File':43}|{count:11}|{RECORD_LENGTH:5}")
    return "\n".join(lines) + "\n"


def _cclf8(person: SyntheticPerson, today: dt.date) -> str:
    born = person.birth_date
    death = person.death_date.isoformat() if person.death_date else ""
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    buy_in = "3" if person.dual_status == "NA" else "C"
    return (
        f"{person.mbi:11}{'':11}{person.state_fips:2}{person.county_fips:3}{person.zip_code:5}{born}{person.sex:1}"
        f"{person.race:1}{age:03}{person.medicare_status:2}{person.dual_status:2}{death:10}{'':10}{'':10}"
        f"{person.given_name:30}{person.middle_name:15}{person.family_name:40}{person.original_entitlement:1}{buy_in}"
        f"{person.part_a_start_date}{person.part_b_start_date}{person.address_line:45}{'':205}{person.city:100}"
        f"{person.state:2}{person.zip_code:5}{'':4}\n"
    )
