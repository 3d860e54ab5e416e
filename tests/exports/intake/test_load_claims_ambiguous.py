"""`manage.py load_claims`: JSON that two readers understand differently is refused, wherever it stands."""

import json
import random

import pytest

from exports.fhir.common import systems
from exports.fhir.common.lines import service_date
from exports.intake.ambiguity import is_ambiguous, repeated_names
from exports.intake.resources import BadResourceError, LineReader
from exports.models import Load
from tests.exports.ndjson import NAME, claim, eob, line, load, patient, refusal, write

LISTED = b'[{"diagnosisCodeableConcept":{"coding":[{"system":"%b","code":"F1010"}]}}]' % systems.ICD_10_CM.encode()
HARMLESS = b'[{"diagnosisCodeableConcept":{"coding":[{"system":"%b","code":"I10"}]}}]' % systems.ICD_10_CM.encode()


def with_more(body: dict, more: bytes) -> bytes:
    """A resource as a line that ends in more elements, as somebody wrote them."""
    return line(body)[:-2] + b", " + more + b"}\n"


@pytest.mark.parametrize(
    "elements",
    [
        b'"diagnosis":%b,"diagnosis":[]' % LISTED,
        b'"diagnosis":[],"diagnosis":%b' % LISTED,
        b'"diagnosis":%b,"diagnosis":%b' % (LISTED, HARMLESS),
        b'"diagnosis":%b,"diagnosis":%b,"diagnosis":%b' % (HARMLESS, LISTED, HARMLESS),
        b'"diagnosis":%b,"diagnosi\\u0073":[]' % LISTED,
        b'"\\u0064iagnosis":%b,"diagnosis":[]' % LISTED,
        b'"diagnosis" \t: %b , "diagnosis"\t :[]' % LISTED,
        b'"Diagnosis":%b,"diagnosis":[]' % LISTED,
        b'"\\u0044iagnosis":%b,"diagnosis":[]' % LISTED,
        '"diagno\N{LATIN SMALL LETTER LONG S}is":%b,"diagnosis":[]'.encode() % LISTED,
        b'"diagnosis":[{"diagnosisCodeableConcept":{},"diagnosisCodeableConcept":{"coding":[]}}]',
        b'"item":[{"sequence":1,"detail":[{"service":{},"service":{"coding":[]}}]}]',
        b'"note":"a \\" \\\\","text":{"div":"\\\\\\"","x":{"y\\"":1,"y\\"":2}}',
        b'"note":"\\\\","a":[[{"b":1,"b":1}]]',
        b'"a":{"":0,"":0}',
        b'"id":"e-2"',
        b'"patient":{"reference":"Patient/p-2"}',
        b'"resourceType":"ExplanationOfBenefit"',
        b'"billablePeriod":{"end":"2001-01-01"}',
        b'"meta":{"security":[{"code":"42CFRPart2"}]},"meta":{}',
    ],
)
def test_a_name_that_stands_twice_in_an_object_refuses_the_load(world, tmp_path, capsys, elements):
    one, two = world.beneficiaries(2)
    people = write(tmp_path / "people", patient("p-1", one), patient("p-2", two))
    claims = write(tmp_path / "claims", eob("e-1", "p-1"), with_more(eob("e-9", "p-1"), elements))

    said = refusal(capsys, people, claims)

    assert f"{claims}, line 2: Two elements of the same object have the same name" in said
    assert "Ask the source to send each element once." in said


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (b'"id": "c-1"', b'"id": "c-2"'),
        (b'"patient": {', b'"patient": {"reference": "Patient/p-2"}'),
        (b'"reference": "#patient"', b'"reference": "Patient/p-2"'),
        (b'"contained": [', b'"contained": []'),
        (b'"identifier": [', b'"identifier": []'),
        (b'"value": "', b'"value": "1S00A00AA02"'),
        (b'"id": "patient"', b'"id": "other"'),
    ],
)
def test_whose_a_claim_is_stands_in_it_once(world, tmp_path, capsys, before, again):
    one, two = world.beneficiaries(2)
    ours = line(claim("c-1", one, use="claim"))
    people = write(tmp_path / "people", patient("p-2", two))

    said = refusal(capsys, people, write(tmp_path / "claims", ours.replace(before, again + b", " + before, 1)))

    assert before in ours
    assert "line 1: Two elements of the same object have the same name" in said


def test_the_element_is_named_if_it_is_one_of_fhir(world):
    reader = LineReader(["ExplanationOfBenefit"])

    with pytest.raises(BadResourceError) as known:
        reader.read(with_more(eob("e-1", "p-1"), b'"diagnosis":[],"diagnosi\\u0073":[]'))
    with pytest.raises(BadResourceError) as unknown:
        reader.read(with_more(eob("e-1", "p-1"), f'"{NAME}":[],"{NAME}":[]'.encode()))

    assert "have the same name: `diagnosis`. Programs disagree" in str(known.value)
    assert "have the same name. Programs disagree" in str(unknown.value)
    assert NAME not in str(unknown.value)


@pytest.mark.parametrize(
    "elements",
    [
        b'"note":"\\"diagnosis\\":[],\\"diagnosis\\":[]"',
        b'"note":"\\"","text":"\\\\","more":"\\\\\\"\\\\"',
        b'"note":"\\u0022a\\u0022:","text":"\\u005c\\u0022"',
        b'"a":{"b":{"c":1}},"b":{"a":1,"c":2},"c":"b"',
        b'"item":[{"sequence":1},{"sequence":2},{"sequence":2}]',
        b'"total":[1.50,1e3,-0.0,12345678901234567890123,true,null]',
        '"note":"Gr\N{LATIN SMALL LETTER SHARP S}e \N{LATIN CAPITAL LETTER I WITH DOT ABOVE} \\ud83d\\ude00"'.encode(),
    ],
)
def test_what_only_looks_like_it_is_loaded_byte_for_byte(world, tmp_path, elements):
    (one,) = world.beneficiaries(1)
    ours = with_more(eob("e-1", "p-1"), elements)

    load(write(tmp_path / "a", patient("p-1", one), ours))

    assert Load.objects.get().resource_count == 2
    assert not is_ambiguous(ours)
    assert repeated_names(ours) == set()


@pytest.mark.parametrize(
    "value",
    [
        b"NaN",
        b"-Infinity",
        b"1e400",
        b"-1e400",
        b"1" * 5000,
        b"01",
        b"+1",
        b".5",
        b"0x10",
        b"'a'",
        b"[1,]",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\x00"',
        b'"\x1f"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b'"\\x41"',
        b"1 // not JSON",
        b'"a" \xef\xbb\xbf',
    ],
)
def test_what_readers_read_differently_or_not_at_all_is_refused(world, tmp_path, capsys, value):
    (one,) = world.beneficiaries(1)
    file = write(tmp_path / "a", patient("p-1", one), with_more(eob("e-1", "p-1"), b'"x":' + value))

    assert f"{file}, line 2: " in refusal(capsys, file)


def made_up(dice: random.Random, depth: int = 0) -> str:
    """JSON of small objects with names out of few letters, written in the ways that JSON can be written."""

    def space() -> str:
        return dice.choice(("", "", "", " ", "\t"))

    kind = dice.random()
    if depth > 3 or kind < 0.3:
        return dice.choice(
            ("0", "-1.50", "1e3", "true", "null", '""', '":"', '"{\\"a\\":1}"', '"\\\\"', '"\\u0022:"', '"é"')
        )
    parts = [made_up(dice, depth + 1) for _ in range(dice.randrange(4))]
    if kind < 0.5:
        return f"[{','.join(space() + part + space() for part in parts)}]"
    names = (
        '"a"',
        '"b"',
        '"c"',
        '"A"',
        '"\\u0061"',
        '"\\u0041"',
        '"ab"',
        '"a\\""',
        '"a\\\\"',
        '"é"',
        '"É"',
        '"\\u00e9"',
        '""',
    )
    return f"{{{','.join(f'{space()}{dice.choice(names)}{space()}:{space()}{part}' for part in parts)}}}"


def test_counting_finds_what_looking_at_each_object_finds():
    dice = random.Random(20261127)
    found = []
    for _ in range(4000):
        text = made_up(dice).encode() + b"\n"

        found.append(is_ambiguous(text))

        assert found[-1] == bool(repeated_names(text)), text
    assert 400 < sum(found) < 3600


def test_a_name_that_ends_like_another_is_not_the_other():
    ours = eob("e-1", "p-1", end="2025-03-31")
    later = b'{"x\\"billablePeriod":{"end":"1990-01-01"},' + json.dumps(ours, separators=(",", ":")).encode()[1:]

    assert str(service_date(later)) == "2025-03-31"
