"""Small resources as NDJSON files, for the tests of loading claims. Whoever they are about is called Vicente970."""

import gzip
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from exports.claims import splice
from exports.fhir.common import systems
from exports.models import Chunk, Load
from portal.redaction import redact

NAME = "Vicente970"
NO_ROSTER = "1S00Z00ZZ99"  # an MBI that no roster names


def mbi_identifier(mbi: str, *, currency: str = "", **period: str) -> dict:
    """An MBI as R4 has it; `currency` is current or historic."""
    extension = [{"url": systems.IDENTIFIER_CURRENCY, "valueCoding": {"code": currency}}] if currency else []
    coding = {"system": systems.IDENTIFIER_TYPE, "code": "MC", "extension": extension}
    return {"type": {"coding": [coding]}, "system": systems.MBI, "value": mbi, "period": period}


def patient(resource_id: str, *mbis: str | dict, **more) -> dict:
    identifier = [mbi if isinstance(mbi, dict) else mbi_identifier(mbi) for mbi in mbis]
    return {"resourceType": "Patient", "id": resource_id, "identifier": identifier, "name": [{"family": NAME}], **more}


def coverage(resource_id: str, patient_id: str, **more) -> dict:
    reference = {"reference": f"Patient/{patient_id}"}
    return {"resourceType": "Coverage", "id": resource_id, "beneficiary": reference, **more}


def eob(resource_id: str, patient_id: str, *, end: str = "2025-03-31", **more) -> dict:
    return {
        "resourceType": "ExplanationOfBenefit",
        "id": resource_id,
        "patient": {"reference": f"Patient/{patient_id}"},
        "billablePeriod": {"start": "2025-03-01", "end": end},
        **more,
    }


def claim(resource_id: str, mbi: str, **more) -> dict:
    """A Claim that contains its Patient, as partially adjudicated ones do."""
    return eob(resource_id, "x") | {"resourceType": "Claim"} | of_contained_patient(mbi) | more


def claim_response(resource_id: str, mbi: str, claim_id: str, **more) -> dict:
    request = {"reference": f"Claim/{claim_id}"}
    return {"resourceType": "ClaimResponse", "id": resource_id, "request": request, **of_contained_patient(mbi), **more}


def of_contained_patient(mbi: str) -> dict:
    return {"contained": [patient("patient", mbi)], "patient": {"reference": "#patient"}}


def line(body: dict) -> bytes:
    return json.dumps(body).encode() + b"\n"


def write(path: Path, *bodies: dict | bytes, compressed: bool = False) -> Path:
    content = b"".join(body if isinstance(body, bytes) else line(body) for body in bodies)
    path.write_bytes(gzip.compress(content) if compressed else content)
    return path


def load(*paths: Path, **options) -> None:
    call_command("load_claims", *map(str, paths), **options)


def refusal(capsys: pytest.CaptureFixture[str], *paths: Path, **options) -> str:
    """What is said of files that are refused: all of it. Nothing of them was loaded, and nothing of them is told."""
    before = [*Load.objects.values_list("pk")], [*Chunk.objects.values_list("pk")]

    with pytest.raises(CommandError) as raised:
        load(*paths, **options)

    assert raised.value.returncode == 1
    assert before == ([*Load.objects.values_list("pk")], [*Chunk.objects.values_list("pk")])
    said = "".join(capsys.readouterr()) + str(raised.value)
    assert NAME not in said
    assert redact(said) == said
    return said


def stored(resource_type: str) -> list[bytes]:
    """The lines of a type that are current, beneficiary by beneficiary."""
    chunks = Chunk.objects.filter(superseded_by=None, resource_type=resource_type)
    bodies = [splice.inflate(chunk.body) for chunk in chunks.order_by("beneficiary_id", "last_updated")]
    return [line for body in bodies for line in body.splitlines(keepends=True)]


def stored_ids(resource_type: str) -> list[str]:
    return [json.loads(each)["id"] for each in stored(resource_type)]
