import datetime as dt
import hashlib
import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from exports.fhir import v2
from exports.fhir.common.ndjson import line
from exports.intake.generator.code_lists import CODES
from exports.intake.generator.history import History
from exports.intake.substance_use import is_samhsa
from exports.records import InstitutionalClaim, PharmacyClaim, ProfessionalClaim
from exports.vocabulary import CareRole, ClaimKind, Part
from tests.exports.intake.eighty import PEOPLE, of_class
from tests.exports.made_up import END_DATE, LAST_UPDATED, SEED, START_DATE, person, record

REPOSITORY = Path(__file__).resolve().parents[3]
REAL_MBI = re.compile(
    r"^[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9][AC-HJKMNP-RT-Y]{2}\d\d$"
)


def digest(numbers) -> str:
    """The SHA-256 of all that some people's records become."""
    found = hashlib.sha256()
    for number in numbers:
        for resource in v2.render(record(number), last_updated=LAST_UPDATED):
            found.update(line(resource.body))
    return found.hexdigest()


# --- The same everywhere --------------------------------------------------------------------------------------------


def test_another_process_makes_the_same_bytes():
    script = "from tests.exports.intake.test_synthetic_claims import digest; print(digest(range(3)))"
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(REPOSITORY)}

    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )

    assert finished.stdout.strip() == digest(range(3))


def test_a_person_s_claims_do_not_depend_on_who_came_before():
    alone = record(7)

    others = [record(number) for number in (3, 7, 5)]

    assert others[1] == alone


def test_another_seed_makes_other_claims():
    ids = {claim.claim_id for claim in record(7).claims}
    others = {claim.claim_id for claim in record(7, seed=SEED + 1).claims}

    assert ids
    assert ids.isdisjoint(others)


def test_records_of_adjacent_times_make_up_the_record_of_both():
    middle = dt.date(2026, 8, 15)

    for number in range(12):
        earlier, later = record(number, end_date=middle).claims, record(number, start_date=middle).claims

        assert {claim.claim_id for claim in earlier}.isdisjoint(claim.claim_id for claim in later)
        assert {claim.claim_id: claim for claim in (*earlier, *later)} == {
            claim.claim_id: claim for claim in record(number).claims
        }


def test_the_month_that_follows_brings_late_claims_for_services_before_it():
    month = dt.date(2026, 11, 1)

    late = [claim for number in PEOPLE for claim in record(number, start_date=month).claims]

    assert late
    assert any(claim.through_date < month for claim in late)


def test_no_two_claims_and_no_two_people_share_an_id(records, claims):
    assert len({claim.claim_id for claim in claims}) == len(claims)
    assert len({each.person.beneficiary_id for each in records}) == len(records)
    assert all(claim.claim_id < 0 and claim.group_id < 0 for claim in claims)


# --- How many -------------------------------------------------------------------------------------------------------


def test_a_beneficiary_has_about_a_dozen_claims_a_year(claims):
    a_year = len(claims) / len(PEOPLE) / 3

    assert 9 <= a_year <= 15


def test_there_are_claims_of_every_kind(claims):
    assert {claim.kind for claim in claims} == set(ClaimKind)


def test_one_or_two_of_a_hundred_claims_are_about_substance_use_disorder(claims):
    assert 0.01 <= sum(claim.is_samhsa for claim in claims) / len(claims) <= 0.02


def test_the_flag_says_what_the_matcher_says(claims):
    assert all(claim.is_samhsa == is_samhsa(claim) for claim in claims)


def test_a_few_claims_were_cancelled_and_replaced_within_their_group(claims):
    groups = Counter(claim.group_id for claim in claims)
    final = Counter(claim.group_id for claim in claims if claim.is_final)

    assert set(groups) == set(final)
    assert set(final.values()) == {1}
    assert 0.005 <= sum(not claim.is_final for claim in claims) / len(claims) <= 0.03
    assert {claim.entry_code for claim in of_class(claims, ProfessionalClaim)} == {"1", "3", "5"}


# --- Dates and coverage ---------------------------------------------------------------------------------------------


def test_a_claim_is_processed_after_the_service_and_recorded_on_the_friday_after(claims):
    for claim in claims:
        assert claim.from_date <= claim.through_date < claim.processed_date <= claim.recorded_date
        assert claim.recorded_date.weekday() == 4
        assert START_DATE <= claim.recorded_date < END_DATE


def test_original_claims_are_recorded_within_the_month(claims):
    for claim in claims:
        is_original = not isinstance(claim, ProfessionalClaim) or claim.entry_code == "1"
        if claim.kind in (ClaimKind.CARRIER, ClaimKind.PDE) and is_original:
            assert 5 <= (claim.recorded_date - claim.through_date).days <= 30


def test_every_service_falls_within_its_part_of_medicare(records):
    parts = {
        ClaimKind.INPATIENT: Part.A,
        ClaimKind.OUTPATIENT: Part.B,
        ClaimKind.CARRIER: Part.B,
        ClaimKind.PDE: Part.D,
    }

    for each in records:
        start_dates = {covered.part: covered.start_date for covered in each.coverage}
        for claim in each.claims:
            assert start_dates[parts[claim.kind]] <= claim.from_date


def test_nobody_has_part_d_events_without_part_d():
    without = record(8, has_part_d=False)
    with_part_d = record(8, has_part_d=True)

    assert not of_class(without.claims, PharmacyClaim)
    assert of_class(with_part_d.claims, PharmacyClaim)
    assert Part.D not in {covered.part for covered in without.coverage}


def test_nothing_is_done_after_death(records):
    died = [each for each in records if each.person.death_date]

    assert died
    for each in died:
        assert all(claim.through_date <= each.person.death_date for claim in each.claims)


def test_who_is_discharged_dead_died_that_day_and_who_died_is_not_discharged_home(records):
    deaths = 0
    for each in records:
        for claim in of_class(each.claims, InstitutionalClaim):
            has_died = claim.discharge_status == "20"
            assert has_died == (claim.admission is not None and claim.through_date == each.person.death_date)
            deaths += has_died

    assert deaths


def test_a_death_is_not_known_before_it_happened():
    dies = dt.date(2026, 10, 1)

    before = record(0, death_date=dies, end_date=dt.date(2026, 9, 1))
    after = record(0, death_date=dies)

    assert before.person.death_date is None
    assert {covered.termination for covered in before.coverage} == {"0"}
    assert after.person.death_date == dies
    assert {(covered.termination, covered.end_date) for covered in after.coverage} == {("1", dies)}


def test_the_months_of_the_reference_year_follow_the_coverage():
    joined = record(0, part_b_start_date=dt.date(2026, 3, 1), part_a_start_date=dt.date(2026, 2, 1), has_part_d=True)

    months = joined.person.reference_year.months

    assert [month.buy_in for month in months] == ["0", "1"] + ["3"] * 9
    assert [month.part_d is not None for month in months] == [False] * 2 + [True] * 9


def test_nobody_sees_a_doctor_while_in_hospital_but_on_the_way_there(records):
    for each in records:
        stays = [c for c in of_class(each.claims, InstitutionalClaim) if c.admission and c.is_final]
        visits = [c for c in each.claims if c.kind in (ClaimKind.CARRIER, ClaimKind.OUTPATIENT)]
        for stay, visit in itertools.product(stays, visits):
            if visit.kind == ClaimKind.OUTPATIENT and visit.from_date != visit.through_date:
                continue
            assert not stay.from_date < visit.from_date <= stay.through_date


def test_stays_do_not_overlap(records):
    for each in records:
        stays = [c for c in of_class(each.claims, InstitutionalClaim) if c.admission and c.is_final]
        for earlier, later in itertools.pairwise(sorted(stays, key=lambda stay: stay.from_date)):
            assert earlier.through_date < later.from_date


# --- Codes and people who cannot be real ----------------------------------------------------------------------------


def test_conditions_persist(records):
    for number, each in zip(PEOPLE, records, strict=True):
        chronic = {condition.code for condition in CODES.conditions}
        own = History(person(number), SEED).condition_codes
        coded = {
            diagnosis.code
            for claim in each.claims
            if claim.kind == ClaimKind.CARRIER
            for diagnosis in claim.diagnoses[1:]
            if diagnosis.code in chronic
        }
        assert coded <= own


def test_codes_fit_the_sex(records):
    of_men, of_women = {"N401", "C61", "G0103"}, {"C50911", "Z1231", "G0101", "M810"}
    for each in records:
        for claim in each.claims:
            if claim.kind in (ClaimKind.CARRIER, ClaimKind.OUTPATIENT):
                codes = {diagnosis.code for diagnosis in claim.diagnoses}
                codes |= {line.hcpcs.code for line in claim.lines if line.hcpcs}
                assert codes.isdisjoint(of_women if each.person.sex == "1" else of_men)


def test_every_place_in_a_line_is_one_of_its_claim(claims):
    for claim in claims:
        for each in getattr(claim, "lines", ()):
            assert all(1 <= place <= len(claim.care_team) for place in each.care_team)
            assert all(1 <= place <= len(claim.diagnoses) for place in each.diagnoses)
            assert not each.care_team or claim.care_team[each.care_team[0] - 1].role == CareRole.PERFORMING


def test_no_diagnosis_stands_twice_on_a_claim(claims):
    for claim in claims:
        codes = [diagnosis.code for diagnosis in claim.diagnoses]
        assert len(set(codes)) == len(codes)


def test_every_diagnosis_of_a_stay_but_the_admitting_says_whether_it_was_there(claims):
    for claim in of_class(claims, InstitutionalClaim):
        for diagnosis in claim.diagnoses if claim.admission else ():
            assert diagnosis.present_on_admission or diagnosis.types == ("admitting",)


def test_mbis_cannot_be_real(records):
    assert not any(REAL_MBI.match(each.person.mbi) for each in records)


def test_npis_pass_the_check_and_cannot_be_real(claims):
    npis = {member.provider.npi for claim in claims for member in claim.care_team}
    npis |= {claim.billing_npi for claim in of_class(claims, ProfessionalClaim)}
    npis |= {claim.facility.npi for claim in of_class(claims, InstitutionalClaim)}
    npis |= {claim.pharmacy.npi for claim in of_class(claims, PharmacyClaim)}

    assert len(npis) > 50
    assert all(re.fullmatch(r"9\d{9}", npi) and luhn_holds(f"80840{npi}") for npi in npis)


def test_hospitals_and_tax_numbers_cannot_be_real(claims):
    for claim in claims:
        if isinstance(claim, InstitutionalClaim):
            assert re.fullmatch(r"00\d{4}", claim.facility.certification_number)
        for member in claim.care_team:
            assert re.fullmatch(r"(00\d{7})?", member.provider.tax_number)


def test_there_is_no_cpt_code(claims):
    services = [*CODES.services, *CODES.sensitive.services]
    known = {code for each in services for code in (each.code, *each.joined_by, *each.always_joined_by)}
    known |= {each.hcpcs for visit in (*CODES.outpatient, CODES.dialysis) for each in visit.lines if each.hcpcs}
    known |= {each.hcpcs for each in CODES.stay_lines if each.hcpcs}
    billed = {line.hcpcs.code for claim in claims for line in getattr(claim, "lines", ()) if line.hcpcs}

    assert billed <= known
    assert all(re.fullmatch(r"[A-V]\d{4}", code) for code in known)


def luhn_holds(digits: str) -> bool:
    doubled = [sum(divmod(int(digit) * 2, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0
