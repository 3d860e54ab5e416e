import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from exports.fhir import v2
from exports.fhir.common.ndjson import line
from exports.records import BeneficiaryRecord
from exports.vocabulary import ClaimKind
from tests.exports.made_up import LAST_UPDATED, record

PEOPLE = range(40)


@pytest.fixture(scope="module")
def records() -> list[BeneficiaryRecord]:
    return [record(number) for number in PEOPLE]


@pytest.fixture(scope="module")
def lines(records) -> list[bytes]:
    return [line(resource.body) for each in records for resource in v2.render(each, last_updated=LAST_UPDATED)]


@pytest.fixture(scope="module")
def bodies(lines) -> list[dict]:
    """What a client reads: the lines, parsed, with their decimals as they are written."""
    return [json.loads(each, parse_float=Decimal) for each in lines]


@pytest.fixture(scope="module")
def eobs(bodies) -> list[dict]:
    return [body for body in bodies if body["resourceType"] == "ExplanationOfBenefit"]


@pytest.fixture(scope="module")
def claims(records) -> dict[ClaimKind, tuple[BeneficiaryRecord, object]]:
    """A record for each kind of claim, and the claim."""
    return {claim.kind: (each, claim) for each in records for claim in each.disclosable_claims if claim.is_final}


@pytest.fixture(scope="module")
def known() -> BeneficiaryRecord:
    """A person, without claims."""
    return replace(record(1, start_date=dt.date(2026, 11, 1)), claims=())
