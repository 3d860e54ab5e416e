"""ClaimResponse: the status of a claim in processing. Pure."""

import datetime as dt

from exports.fhir.v2 import partial
from exports.fhir.v2.elements import Element, extensions, midnight, present, variable
from exports.records import PartialClaim, PartialInstitutionalClaim, Person

_INSURER = {"identifier": {"value": "CMS"}}


def claim_response(person: Person, billed: PartialClaim, *, last_updated: dt.datetime) -> Element:
    """Return the ClaimResponse to a Claim. Raises TypeError for an unknown class of claim."""
    state = partial.payment_system(billed).state(billed.status)
    return present(
        resourceType="ClaimResponse",
        id=partial.resource_id(billed),
        meta=partial.meta(last_updated),
        contained=[partial.contained_patient(person, billed)],
        extension=_extensions(billed),
        identifier=partial.identifiers(billed),
        status=state.response,
        type=partial.claim_type(billed),
        use="claim",
        patient=partial.PATIENT,
        created=midnight(billed.status_date),
        insurer=_INSURER,
        request={"reference": f"Claim/{partial.resource_id(billed)}"},
        outcome=state.outcome,
    )


def _extensions(billed: PartialClaim) -> list[Element]:
    """Return the status and its dates, and the last service date. BFD leaves that out: FHIR has no element for it."""
    system = partial.payment_system(billed)
    group = billed.adjustment_group if isinstance(billed, PartialInstitutionalClaim) else ""
    return [
        *extensions(**{system.status: billed.status}),
        {"url": variable(system.received), "valueDate": billed.received_date},
        {"url": variable(system.changed), "valueDate": billed.status_date},
        *extensions(**{"fiss/group-code": group}),
        {"url": system.service_end, "valueDate": billed.through_date},
    ]
