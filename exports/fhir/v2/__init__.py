"""API version 2: FHIR R4 with CARIN's profiles, as BFD's v2 renders Medicare claims. Pure.

Where BFD departs from the standard (a creation date that changes with each request, a structure definition used as a
code system, revenue codes that are none), these resources follow the standard.
"""

import datetime as dt
from collections.abc import Iterator

from exports.fhir.common.resource import Resource
from exports.fhir.v2.claim import claim
from exports.fhir.v2.claim_response import claim_response
from exports.fhir.v2.coverage import coverage
from exports.fhir.v2.elements import Element
from exports.fhir.v2.explanation_of_benefit import explanation_of_benefit
from exports.fhir.v2.patient import patient
from exports.records import BeneficiaryRecord


def render(record: BeneficiaryRecord, *, last_updated: dt.datetime) -> Iterator[Resource]:
    """Return the Patient, the Coverage of each part, and the resources of each claim that can be disclosed.

    A claim becomes an ExplanationOfBenefit. A partially adjudicated claim becomes a Claim and its ClaimResponse.
    `record.withheld_count` says how many were left out. Raises ValueError if `last_updated` has no time zone.
    """
    person = record.person
    yield _resource(patient(person, last_updated=last_updated))
    for covered in record.coverage:
        yield _resource(coverage(person, covered, last_updated=last_updated))
    for adjudicated in record.disclosable_claims:
        benefit = explanation_of_benefit(person, adjudicated, last_updated=last_updated)
        yield _resource(benefit, adjudicated.through_date)
    for build in (claim, claim_response):
        for partial in record.disclosable_partial_claims:
            yield _resource(build(person, partial, last_updated=last_updated), partial.through_date)


def _resource(body: Element, service_date: dt.date | None = None) -> Resource:
    return Resource(body["resourceType"], body["id"], service_date, body)
