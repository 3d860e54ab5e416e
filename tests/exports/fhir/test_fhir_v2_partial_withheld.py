"""Partially adjudicated claims about substance use disorder are not rendered."""

from dataclasses import replace

import pytest

from exports.fhir import v2
from exports.intake.substance_use import is_samhsa
from exports.records import Diagnosis
from exports.vocabulary import Coded
from tests.exports.fhir.partial_claims import BOTH, MODELS, STAY, VISIT
from tests.exports.made_up import LAST_UPDATED

SENSITIVE = Diagnosis("F1120", ())
SENSITIVE_CLAIMS = [
    replace(STAY, diagnoses=(*STAY.diagnoses, SENSITIVE)),
    replace(STAY, procedures=(replace(STAY.procedures[0], code="HZ2ZZZZ"),)),
    replace(STAY, drg=Coded("897")),
    replace(STAY, lines=(STAY.lines[0], replace(STAY.lines[1], hcpcs=Coded("H0020")))),
    replace(VISIT, diagnoses=(*VISIT.diagnoses, SENSITIVE)),
    replace(VISIT, lines=(replace(VISIT.lines[0], hcpcs=Coded("H0020")), VISIT.lines[1])),
]


@pytest.mark.parametrize("billed", SENSITIVE_CLAIMS)
def test_one_code_about_substance_use_disorder_is_enough(billed):
    assert is_samhsa(billed)


@BOTH
def test_other_claims_are_not_sensitive(billed):
    assert not is_samhsa(billed)  # group 291, heart failure: the digits of a listed diagnosis


def test_neither_the_claim_nor_its_response_leaves_the_house(known):
    withheld = tuple(replace(billed, is_samhsa=is_samhsa(billed), claim_id=-number)
                     for number, billed in enumerate(SENSITIVE_CLAIMS, 1))  # fmt: skip
    of_all = replace(known, partial_claims=(*withheld, STAY))

    resources = list(v2.render(of_all, last_updated=LAST_UPDATED))

    assert [r.id for r in resources if r.resource_type in MODELS] == [f"f-{STAY.claim_id}"] * 2
    assert of_all.withheld_count == len(SENSITIVE_CLAIMS)
