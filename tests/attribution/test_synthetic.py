import datetime as dt
import io
import zipfile
from collections import Counter
from math import gcd

import pytest

from attribution import identifiers, synthetic, validation
from attribution.formats import FORMATS
from attribution.formats.base import Promise
from credentials.problem_list import ProblemList

MOMENT = dt.datetime(2026, 11, 1, 10, 2, 3, 450_000, tzinfo=dt.UTC)


def test_the_same_seed_gives_the_same_people_one_by_one() -> None:
    all_at_once = list(synthetic.people(7, 30))

    assert [person for number in range(30) for person in synthetic.people(7, 1, start=number)] == all_at_once
    assert list(synthetic.people(8, 30)) != all_at_once


def test_the_first_person_is_the_same_in_every_version() -> None:
    person = next(synthetic.people(1, 1))

    assert (person.mbi, person.given_name, person.birth_date) == ("1SR4PT3VQ52", "Ottilie102", dt.date(1937, 7, 10))


def test_nobody_is_real_and_no_two_have_the_same_mbi() -> None:
    mbis = [person.mbi for person in synthetic.people(1, 5000)]

    assert all(identifiers.problem(mbi) is None and identifiers.is_synthetic(mbi) for mbi in mbis)
    assert len(set(mbis)) == 5000


def test_mbis_are_unique_by_construction() -> None:
    assert synthetic._MBI_COUNT > 30_000_000
    assert gcd(synthetic._MBI_STEP, synthetic._MBI_COUNT) == 1


def test_lives_are_in_order() -> None:
    for person in synthetic.people(3, 5000):
        assert person.birth_date < person.part_a_start_date <= person.part_b_start_date <= synthetic.REFERENCE_DATE
        assert person.death_date is None or person.part_b_start_date < person.death_date < synthetic.REFERENCE_DATE
        is_aged = person.medicare_status in {"10", "11"}
        assert is_aged == ((synthetic.REFERENCE_DATE - person.birth_date).days >= 65 * 365.24)
        assert is_aged or person.original_entitlement != "0"


def test_the_people_are_mixed_as_the_population_is() -> None:
    people = list(synthetic.people(5, 4000))

    def share(count: int) -> float:
        return count / len(people)

    assert 0.51 < share(sum(person.sex == "2" for person in people)) < 0.59
    assert 0.08 < share(sum(person.medicare_status.startswith("2") for person in people)) < 0.14
    assert 0.79 < share(sum(person.dual_status == "NA" for person in people)) < 0.87
    assert 0.65 < share(sum(person.has_part_d for person in people)) < 0.75
    assert 0.03 < share(sum(person.death_date is not None for person in people)) < 0.06
    assert Counter(person.state for person in people).most_common(1)[0][0] == "CA"
    assert len({person.state for person in people}) > 45


@pytest.mark.parametrize(
    ("entity_id", "kind", "name", "member"),
    [
        ("A9994", "current", "T.BCD.A9994.ZCY26.D261101.T1002034", "T.BCD.A9994.ZC8Y26.D261101.T1002034"),
        ("D9990", "runout", "T.BCD.D9990.ZCR26.D261101.T1002034", "T.D9990.ACO.ZC8R26.D261101.T1002034"),
    ],
)
def test_archives_are_named_as_cms_names_them(entity_id: str, kind: str, name: str, member: str) -> None:
    content = synthetic.cclf_archive(
        synthetic.people(1, 1), entity_id=entity_id, performance_year=2026, timestamp=MOMENT, kind=kind
    )

    assert synthetic.cclf_archive_name(entity_id, 2026, MOMENT, kind) == name
    assert member in zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_names_are_in_utc() -> None:
    eastern = MOMENT.astimezone(dt.timezone(dt.timedelta(hours=-5)))

    assert synthetic.cclf_archive_name("A9994", 2026, eastern) == synthetic.cclf_archive_name("A9994", 2026, MOMENT)


def test_an_entity_of_no_program_has_no_archive() -> None:
    with pytest.raises(ValueError, match="V0001"):
        synthetic.cclf_archive_name("V0001", 2026, MOMENT)


def test_our_own_parser_reads_the_archive() -> None:
    people = list(synthetic.people(1, 200))
    content = synthetic.cclf_archive(people, entity_id="A9994", performance_year=2026, timestamp=MOMENT)
    problems = ProblemList()

    file = io.BytesIO(content)
    label = FORMATS["cclf"].label("T.BCD.A9994.ZCY26.D261101.T1002034", file)
    roster = FORMATS["cclf"].open(file, label, entity_id="A9994", program="SSP")
    rows = list(validation.good_rows(roster, problems, ProblemList()))

    assert not problems
    assert (roster.promise, roster.record_length) == (Promise(200, "CCLF0"), 549)
    assert [row.mbi for row in rows] == [person.mbi for person in people]


def test_the_record_has_its_fields_where_cclf8_has_them() -> None:
    person = next(person for person in synthetic.people(1, 500) if person.death_date)
    content = synthetic.cclf_archive([person], entity_id="A9994", performance_year=2026, timestamp=MOMENT)
    archive = zipfile.ZipFile(io.BytesIO(content))
    record = archive.read("T.BCD.A9994.ZC8Y26.D261101.T1002034").decode()

    def field(start: int, length: int) -> str:
        return record[start - 1 : start - 1 + length].strip()

    assert len(record) == 550
    assert field(1, 11) == person.mbi
    assert field(23, 2) == person.state_fips
    assert field(28, 5) == person.zip_code
    assert field(33, 10) == person.birth_date.isoformat()
    assert field(43, 1) == person.sex
    assert field(48, 2) == person.medicare_status
    assert field(50, 2) == person.dual_status
    assert field(52, 10) == person.death_date.isoformat()
    assert field(82, 30) == person.given_name
    assert field(127, 40) == person.family_name
    assert field(167, 1) == person.original_entitlement
    assert field(179, 10) == person.part_b_start_date.isoformat()
    assert field(189, 45) == person.address_line
    assert field(439, 100) == person.city
    assert field(539, 2) == person.state


def test_the_same_people_make_the_same_bytes() -> None:
    def made() -> bytes:
        return synthetic.cclf_archive(
            synthetic.people(1, 10), entity_id="A9994", performance_year=2026, timestamp=MOMENT
        )

    assert made() == made()
