"""`manage.py load_claims`: what is refused, and what is said of it. `refusal` asserts that nothing was loaded."""

import gzip
import json
import random
from pathlib import Path

import pytest

from exports.intake import reading
from exports.models import Load
from tests.exports.ndjson import NAME, NO_ROSTER, claim, coverage, eob, line, load, patient, refusal, write

NO_OWNER = {"reference": f"Patient?name={NAME}"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"Vicente970,1S00A00AA01\n", "This is not one complete JSON object."),
        (b'{"resourceType": "Patient", "id": "p-9"\n', "This is not one complete JSON object."),
        (line(patient("p-9", NO_ROSTER))[:-1] * 2 + b"\n", "This is not one complete JSON object."),
        (b'{"resourceType": "Patient", "id": "p-9", "birthDate": NaN}\n', "This is not one complete JSON object."),
        (b'["Vicente970"]\n', "This is JSON, but not a FHIR resource"),
        (b'"Vicente970"\n', "This is JSON, but not a FHIR resource"),
        (b'{"id": "p-9"}\n', "This is JSON, but not a FHIR resource"),
        (b'{"resourceType": 7}\n', "This is JSON, but not a FHIR resource"),
        (
            line({"resourceType": NAME, "id": "1"}),
            "This version does not support its `resourceType`. Supported: Patient, ",
        ),
        (
            line({"resourceType": "Bundle", "entry": []}),
            "This version does not support its `resourceType`. Supported: Patient, ",
        ),
        (line(eob("", "p-1")), "The `id` of this ExplanationOfBenefit is missing or not a FHIR id"),
        (line(eob("e/1", "p-1")), "The `id` of this ExplanationOfBenefit is missing or not a FHIR id"),
        (line(eob("e" * 65, "p-1")), "The `id` of this ExplanationOfBenefit is missing or not a FHIR id"),
        (line(eob("e-1\u0000", "p-1")), "The `id` of this ExplanationOfBenefit is missing or not a FHIR id"),
        (line(eob(7, "p-1")), "It is not a valid FHIR ExplanationOfBenefit: Expected `str`, got `int`"),
        (line(eob("e-1", "p-1", item=NAME)), "Expected `array`, got `str` - at `$.item`. Correct it at the source."),
        (line(eob("e-1", "p-1", patient=NO_OWNER)), "It has no Patient: `patient.reference` must be"),
        (line(eob("e-1", "p-1", patient={"reference": "#patient"})), "It has no Patient"),
        (line(eob("e-1", "p-1", patient={"reference": "Group/p-1"})), "It has no Patient"),
        (line(coverage("c-1", "p-1", beneficiary={})), "It has no Patient: `beneficiary.reference` must"),
        (line(eob("e-1", "p-1", end=NAME)), "Its last service date is not a date."),
        (line(eob("e-1", "p-1", end="2025-02-30")), "Its last service date is not a date."),
        (line(patient("p-9")), "Its Patient has no MBI."),
        (line(patient("p-9", {"system": "http://example.org/hicn", "value": NO_ROSTER})), "Its Patient has no MBI."),
        (
            line(patient("p-9", "1S00A00AA0")),
            "The MBI of its Patient is not valid. An MBI has 11 characters. This one has 10.",
        ),
        (line(patient("p-9", NO_ROSTER)), "The current MBI of its Patient is on no roster."),
        (line(claim("f-1", NO_ROSTER)), "The current MBI of its Patient is on no roster."),
        (line(eob("e-1", "p-7")), "Its Patient is neither in these files nor in an earlier load"),
        (line(eob("e-1", "p-1")).replace(b", ", b",\r", 1), "The line has a carriage return (CR) inside."),
        (
            json.dumps(eob("e-1", "p-1", note="\xe9"), ensure_ascii=False).encode("latin-1"),
            "This is not UTF-8.",
        ),
        (line(patient("p-9", NO_ROSTER)).decode().encode("utf-16"), "This is not UTF-8."),
        (b'{"resourceType": "Patient", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deeply"),
    ],
)
def test_a_bad_line_refuses_the_load_with_its_place_and_the_reason(world, tmp_path, capsys, bad, reason):
    (one,) = world.beneficiaries(1)
    good = write(tmp_path / "people.ndjson", patient("p-1", one))
    file = write(tmp_path / "claims.ndjson", eob("e-100", "p-1"), b"\n", bad)

    said = refusal(capsys, good, file)

    assert f"{file}, line 3: {reason}" in said or (f"{file}, line 3: " in said and reason in said)
    assert "Nothing was loaded." in said


def test_a_line_that_is_too_long_is_refused_and_the_rest_is_read(world, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_LINE", 1000)
    (one,) = world.beneficiaries(1)
    file = write(
        tmp_path / "a",
        patient("p-1", one),
        eob("e-1", "p-1", note="x" * 5000),
        eob("e-2", "p-1", patient={}),
        eob("e-3", "p-1", note="x" * 5000),
    )

    said = refusal(capsys, file)

    assert [each.split(": ")[0] for each in said.splitlines()[:-1]] == [
        f"{file}, line {number}" for number in (2, 3, 4)
    ]
    assert "The line has more than 16,777,216 bytes" in said


def test_an_id_stands_once_in_a_load(world, tmp_path, capsys):
    one, two = world.beneficiaries(2)
    first = write(tmp_path / "1", patient("p-1", one), patient("p-2", two), eob("e-1", "p-1"), coverage("e-1", "p-1"))
    second = write(tmp_path / "2", eob("e-1", "p-2"))

    said = refusal(capsys, first, second)

    assert said.startswith(
        f"{second}, line 1: This ExplanationOfBenefit has the same id as the one in {first}, line 3. "
        "An id must be unique in a load. Remove one.\n"
    )
    assert "1 problem found." in said


def test_a_patient_id_does_not_change_hands(world, tmp_path, capsys):
    one, two = world.beneficiaries(2)
    load(write(tmp_path / "1", patient("p-1", one)))

    said = refusal(capsys, write(tmp_path / "2", patient("p-1", two), eob("e-1", "p-1")))

    assert "line 1: An earlier load used the id of this Patient for another beneficiary" in said
    assert Load.objects.count() == 1


def test_no_more_than_twenty_problems_are_told_and_the_rest_is_counted(world, tmp_path, capsys):
    file = write(tmp_path / "a", *(eob(f"e-{number}", "p-1") for number in range(15)), *[b"{\n"] * 10)

    said = refusal(capsys, file).splitlines()

    # The Patient may stand in one of the lines that cannot be read: nobody is missed.
    assert [each.split(": ")[0] for each in said[:-1]] == [f"{file}, line {number}" for number in range(16, 26)]

    orphans = [eob(f"e-{number}", "p-1") for number in range(25)]
    file = write(tmp_path / "a", *orphans, *[patient("p-2", NO_ROSTER)] * 6)

    said = refusal(capsys, file).splitlines()

    assert [each.split(": ")[0] for each in said[:20]] == [f"{file}, line {number}" for number in range(1, 21)]
    assert said[20:] == ["And 16 more problems.", "36 problems found. Nothing was loaded."]


def test_problems_of_lines_and_between_lines_come_in_the_order_of_the_files(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)
    first = write(tmp_path / "1", patient("p-1", one), patient("p-1", one))
    second = write(tmp_path / "2", b"{\n", patient("p-2", NO_ROSTER))

    said = refusal(capsys, first, second)

    assert [each.split(": ")[0] for each in said.splitlines()[:3]] == [
        f"{first}, line 2",
        f"{second}, line 1",
        f"{second}, line 2",
    ]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda packed: packed[: len(packed) // 2], id="ends here or is damaged"),
        pytest.param(lambda packed: packed[:-8] + b"\0\0\0\0" + packed[-4:], id="wrong checksum"),
        pytest.param(lambda packed: packed + b"something else", id="goes on"),
        pytest.param(lambda packed: packed[:50] + b"\xff\xff\xff\xff" + packed[54:], id="damaged"),
    ],
)
def test_a_gzip_file_that_is_damaged_is_refused(world, tmp_path, capsys, damage):
    (one,) = world.beneficiaries(1)
    content = line(patient("p-1", one)) + b"".join(line(eob(f"e-{number}", "p-1")) for number in range(5000))
    file = write(tmp_path / "a.ndjson.gz", damage(gzip.compress(content)))

    said = refusal(capsys, file)

    assert f"{file}, line " in said
    assert "The gzip file ends here or is damaged. Download it or compress it again." in said


def test_whatever_happens_to_a_gzip_file_its_lines_are_right_or_it_is_refused(tmp_path):
    dice = random.Random(20261127)
    whole = gzip.compress(b"".join(line(eob(f"e-{number}", "p-1")) for number in range(200)))
    right = gzip.decompress(whole).splitlines(keepends=True)
    for _ in range(1500):
        broken = bytearray(whole)
        place = dice.randrange(len(broken) if dice.random() < 0.5 else 20)
        broken[place : place + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
        path = tmp_path / "a.gz"
        path.write_bytes(broken)
        (file,) = reading.find([path])

        try:
            found = [text for _, text in reading.lines(file, on_bytes=lambda _: None)]
        except reading.BrokenFileError:
            continue

        # What does not begin as gzip does is no gzip, and then no JSON either.
        assert found == right or not broken.startswith(b"\x1f\x8b")


def test_there_has_to_be_something_to_load(world, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    write(empty / ".hidden", patient("p-1", NO_ROSTER))

    assert f"{empty} has no files." in refusal(capsys, empty)
    assert f"{tmp_path / 'none'}: No such file or directory." in refusal(capsys, tmp_path / "none")
    assert "/dev/null: This is not a regular file." in refusal(capsys, Path("/dev/null"))
    assert "These files have no resources." in refusal(capsys, write(tmp_path / "blank", b"\n \n"))


def test_a_file_that_is_no_ndjson_is_noticed_whatever_its_name(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)
    folder = tmp_path / "delivery"
    folder.mkdir()
    write(folder / "people.ndjson", patient("p-1", one))
    write(folder / "README", b"Claims of November\n")

    said = refusal(capsys, folder)

    assert f"{folder / 'README'}, line 1: This is not one complete JSON object." in said


def test_links_are_followed_and_never_in_a_circle(world, tmp_path):
    (one,) = world.beneficiaries(1)
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "elsewhere" / "a", patient("p-1", one))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(folder)

    load(folder)

    assert Load.objects.get().resource_count == 1


def test_what_a_file_name_holds_does_nothing_to_a_terminal(world, tmp_path, capsys):
    file = write(tmp_path / "a\x1b[31m", b"{\n")

    said = refusal(capsys, file)

    assert "\x1b" not in said
    assert "a\N{REPLACEMENT CHARACTER}[31m, line 1: " in said
