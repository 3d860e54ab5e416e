"""A program: a trial whose sites have entity IDs of their own kind, and see this year's claims alone."""

import re

from credentials.programs import DateRules, EntityIds, Lookback, Program

PROGRAM = Program(
    code="TRIAL",
    name="Toy Care Trial",
    entity_ids=EntityIds("TOY-00001", re.compile("TOY-[0-9]{5}")),
    roles=frozenset({"dua_custodian", "executive_contact"}),
    dates=DateRules(Lookback(years=0, month=1, day=1)),
    resource_types=frozenset({"Patient", "ExplanationOfBenefit"}),
    roster_formats=("patient-list", "cclf"),
)
