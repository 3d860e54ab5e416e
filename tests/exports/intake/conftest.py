import pytest

from exports.records import BeneficiaryRecord, Claim
from tests.exports.intake.eighty import PEOPLE
from tests.exports.made_up import record


@pytest.fixture(scope="module")
def records() -> list[BeneficiaryRecord]:
    return [record(number) for number in PEOPLE]


@pytest.fixture(scope="module")
def claims(records) -> list[Claim]:
    return [claim for each in records for claim in each.claims]
