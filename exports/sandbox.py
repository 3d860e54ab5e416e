"""Fills the claims store with synthetic claims."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

from attribution.synthetic import SyntheticPerson
from exports.api.versions import V2
from exports.claims.loader import Arrival, loading
from exports.claims.models import Load
from exports.claims.synthetic import beneficiary_record
from exports.fhir import r4
from exports.fhir.ndjson import line
from exports.records import BeneficiaryRecord


def load_synthetic_claims(
    people: Sequence[SyntheticPerson],
    *,
    seed: int,
    start_date: dt.date,
    end_date: dt.date,
    source: str,
    on_progress: Callable[[], None] = lambda: None,
) -> Load:
    """Load the claims of `people` from `start_date` up to and not including `end_date`.

    The same seed gives the same claims; `on_progress` is called whenever a person is done.
    Raises UnknownBeneficiariesError for people whom no roster has named.
    """
    with loading(source, version=V2.number) as under_way:
        for person in people:
            record = beneficiary_record(person, seed=seed, start_date=start_date, end_date=end_date)
            under_way.add(person.mbi, arrivals(record, last_updated=under_way.load.loaded_at))
            on_progress()
    return under_way.load


def arrivals(record: BeneficiaryRecord, *, last_updated: dt.datetime) -> Iterator[Arrival]:
    """The rendered resources of one beneficiary, ready for the loader."""
    for resource in r4.resources(record, last_updated=last_updated):
        yield Arrival(resource.resource_type, resource.id, line(resource.body), resource.service_date)
