"""What a client reads: resources as they come over the wire, and what is found in them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from exports.fhir import v2
from exports.fhir.common.ndjson import line
from exports.records import BeneficiaryRecord
from tests.exports.made_up import LAST_UPDATED


def rendered(each: BeneficiaryRecord, **changes) -> dict:
    """The last resource of a record, as a client reads it."""
    *_, last = v2.render(replace(each, **changes), last_updated=LAST_UPDATED)
    return json.loads(line(last.body), parse_float=Decimal)


def nodes(tree) -> Iterator[dict]:
    """All objects within a resource."""
    if isinstance(tree, dict):
        yield tree
        for branch in tree.values():
            yield from nodes(branch)
    elif isinstance(tree, list):
        for branch in tree:
            yield from nodes(branch)


def codes(concept: dict) -> dict[str, str]:
    """System -> code."""
    return {coding["system"]: coding["code"] for coding in concept["coding"]}


def information(eob: dict) -> dict[str, dict]:
    """The supporting information by its category, CARIN's word or the name of CMS's data element."""
    found = {}
    for entry in eob["supportingInfo"]:
        for coding in entry["category"]["coding"]:
            found[coding["code"].rsplit("/", 1)[-1]] = entry
    return found
