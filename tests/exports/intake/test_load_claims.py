"""`manage.py load_claims`: what goes in."""

import gzip
import json
import re
import stat
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from attribution.models import Beneficiary, Mbi
from exports.claims.loader import Loading
from exports.fhir.common.lines import service_date
from exports.intake.sandbox import arrivals
from exports.models import Chunk, Job, Load, PatientIdentity
from tests.exports import store
from tests.exports.made_up import LAST_UPDATED, record
from tests.exports.ndjson import (
    NO_ROSTER,
    claim,
    claim_response,
    coverage,
    eob,
    line,
    load,
    mbi_identifier,
    patient,
    refusal,
    stored,
    stored_ids,
    write,
)


def test_a_folder_of_files_is_one_load_whatever_their_order(world, tmp_path, capsys):
    one, two = world.beneficiaries(2)
    (tmp_path / "more").mkdir()
    write(tmp_path / "1-claims.ndjson", eob("e-1", "p-2"), eob("e-2", "p-1"))
    write(tmp_path / "more" / "claims.ndjson", eob("e-3", "p-1"), coverage("c-1", "p-1"))
    write(tmp_path / "2-people.ndjson", patient("p-1", one), patient("p-2", two))

    load(tmp_path)

    only = Load.objects.get()
    assert (only.version, only.resource_count) == (2, 6)
    assert stored_ids("ExplanationOfBenefit") == ["e-2", "e-3", "e-1"]
    assert stored_ids("Patient") == ["p-1", "p-2"]
    chunk = Chunk.objects.get(resource_type="ExplanationOfBenefit", resource_count=2)
    assert chunk.beneficiary == Mbi.objects.get(value=one).beneficiary
    assert [str(chunk.first_service_date), str(chunk.last_service_date)] == ["2025-03-31", "2025-03-31"]
    said = capsys.readouterr()
    assert re.fullmatch(
        rf"Load {only.pk}: 1 Coverage, 3 ExplanationOfBenefit, 2 Patient of 2 beneficiaries, "
        rf"{only.raw_length:,} bytes in \d+\.\d s\.\n",
        said.out,
    )
    assert said.err == ""


def test_gzip_is_recognized_by_what_is_in_the_file(world, tmp_path):
    (one,) = world.beneficiaries(1)
    people = write(tmp_path / "people", patient("p-1", one), compressed=True)
    members = gzip.compress(line(eob("e-1", "p-1"))) + gzip.compress(line(eob("e-2", "p-1")))
    several = write(tmp_path / "several.ndjson.gz", members)
    plain = write(tmp_path / "plain.gz", eob("e-3", "p-1"))

    load(people, several, plain)

    assert stored_ids("ExplanationOfBenefit") == ["e-1", "e-2", "e-3"]


def test_lines_go_in_byte_for_byte(world, tmp_path):
    (one,) = world.beneficiaries(1)
    odd = (
        b'  {"resourceType" : "ExplanationOfBenefit", "patient":{"reference":"Patient/p-1"},"total":1.10,"id":"e-1" } '
    )
    number = "\N{EURO SIGN} 37.500e2"
    file = write(
        tmp_path / "a.ndjson",
        b"\xef\xbb\xbf" + line(patient("p-1", one)),
        b"\r\n\n   \n",
        odd + b"\r\n",
        json.dumps(eob("e-2", "p-1", note=number), ensure_ascii=False).encode(),
    )

    load(file)

    assert stored("Patient") == [line(patient("p-1", one))]
    unended = json.dumps(eob("e-2", "p-1", note=number), ensure_ascii=False).encode() + b"\n"
    assert stored("ExplanationOfBenefit") == [odd + b"\n", unended]


@pytest.mark.django_db(transaction=True)
def test_what_was_loaded_comes_out_of_an_export_identical(world, tmp_path):
    records = [record(number) for number in range(3)]
    people = [Mbi.objects.create(value=r.person.mbi, beneficiary=Beneficiary.objects.create()) for r in records]
    world.roster(world.harbor, [mbi.value for mbi in people])
    lines = [arrival.line for r in records for arrival in arrivals(r, version=2, last_updated=LAST_UPDATED)]
    # Claims first, people last, spread over files.
    lines.sort(key=lambda each: b'"Patient"' in each[:30])
    write(tmp_path / "1.ndjson", *lines[:40])
    write(tmp_path / "2.ndjson.gz", *lines[40:], compressed=True)

    load(tmp_path)

    types = sorted({json.loads(each)["resourceType"] for each in lines})
    job = store.run(store.start(world.harbor, scope=Job.Scope.GROUP_ALL, resource_types=types))
    assert sorted(store.lines(job)) == sorted(lines)


def test_the_days_of_services_are_those_of_the_lines(world, tmp_path):
    made = record(1)
    Mbi.objects.create(value=made.person.mbi, beneficiary=Beneficiary.objects.create())
    lines = [arrival.line for arrival in arrivals(made, version=2, last_updated=LAST_UPDATED)]

    load(write(tmp_path / "a.ndjson", *lines))

    for chunk in Chunk.objects.filter(first_service_date__isnull=False):
        dates = [service_date(each) for each in stored(chunk.resource_type)]
        assert (chunk.first_service_date, chunk.last_service_date) == (min(dates), max(dates))
    assert Chunk.objects.get(resource_type="ExplanationOfBenefit").first_service_date


def test_a_patient_of_an_earlier_load_need_not_come_again(world, tmp_path):
    (one,) = world.beneficiaries(1)
    load(write(tmp_path / "people.ndjson", patient("-101", one)))

    load(write(tmp_path / "claims.ndjson", eob("e--1", "-101"), coverage("c-1", "-101")))

    assert stored_ids("ExplanationOfBenefit") == ["e--1"]
    assert Chunk.objects.values_list("beneficiary").distinct().count() == 1


@pytest.mark.parametrize(
    "reference", ["Patient/p-1", "https://fhir.example/v2/fhir/Patient/p-1", "Patient/p-1/_history/2"]
)
def test_a_reference_may_be_absolute_or_name_a_version(world, tmp_path, reference):
    (one,) = world.beneficiaries(1)

    load(write(tmp_path / "a", patient("p-1", one), eob("e-1", "p-1", patient={"reference": reference})))

    assert stored_ids("ExplanationOfBenefit") == ["e-1"]


def test_a_second_load_replaces_what_comes_again(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)
    load(write(tmp_path / "1", patient("p-1", one), eob("e-1", "p-1"), eob("e-2", "p-1", note="old")))
    capsys.readouterr()

    load(write(tmp_path / "2", eob("e-2", "p-1", note="new"), eob("e-3", "p-1")))

    assert stored_ids("ExplanationOfBenefit") == ["e-1", "e-2", "e-3"]
    assert b"new" in stored("ExplanationOfBenefit")[1]
    assert "Replaced: 1 from earlier loads.\n" in capsys.readouterr().out


# --- Whose it is ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "identifiers",
    [
        pytest.param(
            lambda new, old: [mbi_identifier(old, end="2020-02-01"), mbi_identifier(new, start="2020-02-01")],
            id="by the period",
        ),
        pytest.param(
            lambda new, old: [mbi_identifier(new, currency="current"), mbi_identifier(old, currency="historic")],
            id="by what R4 says of the type",
        ),
        pytest.param(lambda new, old: [mbi_identifier(new, currency="current"), mbi_identifier(old)], id="by the new"),
        pytest.param(lambda new, old: [mbi_identifier(new), mbi_identifier(old, currency="historic")], id="by the old"),
        pytest.param(
            lambda new, old: [mbi_identifier(new, start="2020-02-01"), mbi_identifier(old, start="2018-01-01")],
            id="by the beginning",
        ),
        pytest.param(
            lambda new, old: [
                {
                    **mbi_identifier(mbi),
                    "extension": [
                        {
                            "url": "https://bluebutton.cms.gov/resources/codesystem/identifier-currency",
                            "valueCoding": {"code": currency},
                        }
                    ],
                }
                for mbi, currency in ((old, "historic"), (new, "current"))
            ],
            id="by what STU3 says of the identifier",
        ),
    ],
)
def test_of_several_mbis_the_current_one_counts(world, tmp_path, capsys, identifiers):
    (one,) = world.beneficiaries(1)

    said = refusal(capsys, write(tmp_path / "b", patient("p-1", *identifiers(NO_ROSTER, one))))
    load(write(tmp_path / "a", patient("p-1", *identifiers(one, NO_ROSTER))))

    assert PatientIdentity.objects.get().beneficiary == Mbi.objects.get(value=one).beneficiary
    assert "b, line 1: The current MBI of its Patient is on no roster. Load the roster with this MBI first" in said


def test_an_older_mbi_must_not_be_somebody_elses(world, tmp_path, capsys):
    one, two = world.beneficiaries(2)
    old, new = mbi_identifier(two, end="2020-02-01"), mbi_identifier(one, start="2020-02-01")

    said = refusal(capsys, write(tmp_path / "a", patient("p-1", old, new)))

    assert "a, line 1: The MBIs of its Patient belong to different beneficiaries." in said
    assert said.count("line 1") == 1


def test_two_patients_with_one_mbi_are_one_beneficiary(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)
    write(tmp_path / "1", eob("e-1", "p-1"), patient("p-2", one))
    write(tmp_path / "2", eob("e-2", "p-2"), patient("p-1", one))

    load(tmp_path)

    assert Chunk.objects.count() == 2
    assert stored_ids("ExplanationOfBenefit") == ["e-1", "e-2"]
    assert PatientIdentity.objects.count() == 2
    assert "Beneficiaries with more than one Patient: 1." in capsys.readouterr().out


def test_a_claim_may_contain_its_patient(world, tmp_path):
    one, two = world.beneficiaries(2)
    file = write(tmp_path / "a", claim("f-1", one), claim_response("f-1", one, "f-1"), patient("p-2", two))

    load(file)

    whose = Chunk.objects.filter(resource_type__in=["Claim", "ClaimResponse"]).values_list("beneficiary", flat=True)
    assert set(whose) == {Mbi.objects.get(value=one).beneficiary_id}
    assert PatientIdentity.objects.get().patient_id == "p-2"


# --- Whole or not at all --------------------------------------------------------------------------------------------


def test_a_load_that_is_interrupted_leaves_nothing(world, tmp_path, monkeypatch):
    people = world.beneficiaries(3)
    file = write(tmp_path / "a", *(patient(f"p-{number}", mbi) for number, mbi in enumerate(people)))
    really, calls = Loading.correct, []

    def fail_at_the_third(self, *args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        really(self, *args)
        self.write()
        assert Chunk.objects.count() == len(calls)

    monkeypatch.setattr(Loading, "correct", fail_at_the_third)

    with pytest.raises(CommandError, match=r"Stopped\. Nothing was loaded\."):
        load(file)

    assert len(calls) == 3
    assert not Load.objects.exists()
    assert not Chunk.objects.exists()
    assert not PatientIdentity.objects.exists()


def test_a_dry_run_checks_and_loads_nothing(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)
    good = write(tmp_path / "good", patient("p-1", one), eob("e-1", "p-1"))
    bad = write(tmp_path / "bad", eob("e-2", "p-9"))

    load(good, dry_run=True)

    assert not Load.objects.exists()
    assert capsys.readouterr().out.startswith("No problems found: 1 ExplanationOfBenefit, 1 Patient of 1 beneficiary, ")
    assert "bad, line 1: Its Patient is neither in these files" in refusal(capsys, good, bad, dry_run=True)


def test_lines_wait_in_files_that_nobody_else_can_open(world, tmp_path, settings, monkeypatch):
    people = world.beneficiaries(2)
    file = write(tmp_path / "a", *(patient(f"p-{number}", mbi) for number, mbi in enumerate(people)))
    folder = tmp_path / "spool"
    folder.mkdir()
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    really, seen = Loading.correct, []

    def look(self, *args):
        opened = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        ours = [path for path in opened if str(path.readlink()).startswith(str(folder))]
        seen.append((len(ours), {stat.S_IMODE(path.stat().st_mode) for path in ours}, [*folder.iterdir()]))
        really(self, *args)

    monkeypatch.setattr(Loading, "correct", look)

    load(file)

    assert seen == [(64, {0o600}, [])] * 2


def test_a_full_disk_is_told_of(world, tmp_path, capsys, monkeypatch):
    (one,) = world.beneficiaries(1)
    full = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115  # the load closes it
    monkeypatch.setattr("exports.intake.spool.tempfile.TemporaryFile", lambda **_: full)

    said = refusal(capsys, write(tmp_path / "a", patient("p-1", one)))

    assert "is full after 0 bytes. A load needs as much space there as its NDJSON has bytes" in said
    assert "FILE_UPLOAD_TEMP_DIR" in said


def test_the_source_is_what_was_said_or_the_names(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)
    file = write(tmp_path / "a.ndjson", patient("p-1", one))

    load(file, source="Blue Button, November")
    load(*[file.with_name("a.ndjson")] * 2)

    assert [*Load.objects.order_by("id").values_list("source", flat=True)] == ["Blue Button, November", str(file)]
    assert "--source has more than 200 characters." in refusal(capsys, file, source="x" * 201)


def test_a_version_that_there_is_not_is_refused_with_those_that_there_are(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)

    said = refusal(capsys, write(tmp_path / "a", patient("p-1", one)), api_version=9)

    assert "There is no API version 9. Use --api-version with one of: 2" in said


def test_no_bars_are_drawn_where_nobody_looks(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)

    load(write(tmp_path / "a", patient("p-1", one)))

    assert capsys.readouterr().err == ""


def test_bars_are_drawn_on_a_terminal(world, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    (one,) = world.beneficiaries(1)

    call_command("load_claims", str(write(tmp_path / "a", patient("p-1", one))))

    said = capsys.readouterr().err
    assert "Checking" in said
    assert "Loading" in said
