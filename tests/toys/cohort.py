"""A cohort rule: Group/joined, those who are on the roster in use and were not on the one before."""

import datetime as dt

from attribution import cohorts
from attribution.cohorts import Cohort, CohortRule
from credentials.models import Organization


def decide(organization: Organization, since: dt.datetime | None) -> Cohort | None:
    """They are new, so `_since` only says which of their claims changed."""
    roster = cohorts.exported_roster(organization)
    if roster is None:
        return None
    before = cohorts.roster_before(roster)
    return Cohort("joined", (roster.pk,), subtracted_roster_ids=(before.pk,) if before else ())


RULE = CohortRule(
    group_id="joined",
    title="new beneficiaries only",
    description="For beneficiaries who are on this roster and were not on the one before.",
    decide=decide,
)
