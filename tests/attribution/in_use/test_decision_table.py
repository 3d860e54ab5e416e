"""Whose claims an export has: every combination of program, group, `_since`, rosters and organization's state, as data.

It is January 20, 2027. Rosters are named for their month. A hyphen is none, so there is no export.
"""

import datetime as dt
from itertools import product

import pytest
from django.utils import timezone

from attribution import cohorts
from attribution.cohorts import Cohort
from attribution.models import RosterFile
from credentials.access import gate
from credentials.models import Organization
from credentials.programs import CKCC, REACH, SSP
from tests.world import OrganizationFactory

NOW = dt.datetime(2027, 1, 20, tzinfo=dt.UTC)
ENDED = dt.date(2026, 11, 30)
# Of each rule on years, one program.
PROGRAMS = {"strict": SSP, "last-year": REACH, "any": CKCC}
STATES = ("active", "latest", "historical", "denied")

# Name, kind, performance year, and the day on which CMS made it and on which it was published.
ROSTERS = {
    "oct": ("current", 2026, "2026-10-05"),
    "dec": ("current", 2026, "2026-12-20"),
    "early": ("current", 2027, "2026-12-28"),
    "jan": ("current", 2027, "2027-01-15"),
    "runout": ("runout", 2026, "2027-01-10"),
    "summer": ("runout", 2026, "2026-07-01"),
    "former": ("runout", 2025, "2026-12-01"),
}
# What an organization has loaded.
LOADED = {
    "nothing": (),
    "as usual": ("oct", "dec", "jan"),
    "not yet": ("oct", "dec"),
    "too old": ("oct",),
    "ahead": ("dec", "early"),
}
RUNOUTS = {"no runout": (), "in time": ("runout",), "too old": ("summer",), "two years": ("former",)}

# The roster in use, by the rule on years. A limited organization with the strategy "latest" is as an active one.
IN_USE = """
    state       loaded      strict  last-year  any
    active      nothing     -       -          -
    active      as usual    jan     jan        jan
    active      not yet     -       dec        dec
    active      too old     -       -          -
    active      ahead       early   early      early
    historical  nothing     -       -          -
    historical  as usual    -       oct        oct
    historical  not yet     -       oct        oct
    historical  too old     -       oct        oct
    historical  ahead       -       -          -
"""
# The runout roster in use. The termination date takes the place of the age.
RUNOUT_IN_USE = """
    state       loaded      strict  last-year  any
    active      no runout   -       -          -
    active      in time     runout  runout     runout
    active      too old     -       -          -
    active      two years   -       -          former
    historical  no runout   -       -          -
    historical  in time     -       -          -
    historical  too old     summer  summer     summer
    historical  two years   -       -          -
"""
SINCE = {
    "never": None,
    "before": dt.datetime(2026, 9, 1, tzinfo=dt.UTC),
    "autumn": dt.datetime(2026, 11, 10, tzinfo=dt.UTC),
    "december": dt.datetime(2026, 12, 29, tzinfo=dt.UTC),
    "after": dt.datetime(2027, 1, 19, tzinfo=dt.UTC),
}
# Group/all: with a roster in use, the one that tells newly attributed beneficiaries from the others. "nobody": none is
# newly attributed. "all": all are. The rosters are those that were loaded in the row above.
EARLIER = """
    loaded      in use  never   before  autumn  december  after
    as usual    jan     nobody  all     oct     dec       nobody
    as usual    oct     nobody  all     nobody  nobody    nobody
    not yet     dec     nobody  all     oct     nobody    nobody
    not yet     oct     nobody  all     nobody  nobody    nobody
    too old     oct     nobody  all     nobody  nobody    nobody
    ahead       early   nobody  all     all     dec       nobody
"""


def table(text: str, keys: int) -> dict[tuple[str, ...], str]:
    """Each cell of a table, by what its row begins with and the head of its column. Columns are two blanks apart."""
    head, *rows = ([cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.strip().splitlines())
    return {(*row[:keys], name): cell for row in rows for name, cell in zip(head[keys:], row[keys:], strict=True)}


IN_USE_BY, RUNOUT_BY, EARLIER_BY = table(IN_USE, 2), table(RUNOUT_IN_USE, 2), table(EARLIER, 2)


class Case:
    """An organization in a state, with rosters."""

    def __init__(self, rule: str, state: str, names: tuple[str, ...]) -> None:
        self.organization: Organization = OrganizationFactory(program=PROGRAMS[rule])
        if state != "active":
            self.organization.status = "denied" if state == "denied" else "limited"
            self.organization.termination_date = ENDED
        if state == "latest":
            self.organization.attribution_strategy = "latest"
        made = RosterFile.objects.bulk_create(self._roster(name, *ROSTERS[name]) for name in names)
        self.name_of = {roster.pk: roster.file_name for roster in made}

    def _roster(self, name: str, kind: str, year: int, day: str) -> RosterFile:
        at = dt.datetime.fromisoformat(f"{day}T10:00:00+00:00")
        return RosterFile(
            organization=self.organization, kind=kind, status="published", file_name=name, performance_year=year,
            file_timestamp=at, published_at=at,
        )  # fmt: skip

    def names(self, *rosters: int | None) -> list[str]:
        return [self.name_of[each] for each in rosters if each]

    def roster(self, cohort: Cohort | None) -> str:
        return self.names(*cohort.roster_ids)[0] if cohort else "-"

    def earlier(self, cohort: Cohort) -> str:
        if not cohort.has_newly_attributed:
            return "nobody"
        return self.names(cohort.earlier_roster_id)[0] if cohort.earlier_roster_id else "all"


@pytest.fixture(autouse=True)
def _rules(db, settings, monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    settings.ROSTER_DAYS, settings.RUNOUT_DAYS = 50, 180
    settings.ROSTER_YEARS = {program.code: rule for rule, program in PROGRAMS.items()}


def alike(state: str) -> str:
    return "historical" if state == "historical" else "active"


def test_the_tables_have_every_combination():
    limited = ("active", "historical")

    assert set(IN_USE_BY) == set(product(limited, LOADED, PROGRAMS))
    assert set(RUNOUT_BY) == set(product(limited, RUNOUTS, PROGRAMS))
    in_use = {(loaded, used) for (_, loaded, _), used in IN_USE_BY.items() if used != "-"}
    assert set(EARLIER_BY) == {(*row, since) for row, since in product(in_use, SINCE)}


@pytest.mark.parametrize(("rule", "state"), list(product(PROGRAMS, STATES)))
def test_group_all_and_patient(rule, state):
    for loaded, names in LOADED.items():
        case = Case(rule, state, names)
        used = IN_USE_BY[alike(state), loaded, rule]
        for since, at in SINCE.items():
            cohort = cohorts.ALL.cohort_of(case.organization, at)

            assert case.roster(cohort) == used, (loaded, since)
            if cohort:
                assert case.earlier(cohort) == EARLIER_BY[loaded, used, since], (loaded, since)
                assert (cohort.subtracted_roster_ids, cohort.claims_through_date) == ((), None)
        assert (gate.organization_refusal(case.organization) is not None) == (state == "denied")


@pytest.mark.parametrize(("rule", "state"), list(product(PROGRAMS, STATES)))
def test_group_runout(rule, state):
    for (loaded, names), (runout, runouts) in product(LOADED.items(), RUNOUTS.items()):
        case = Case(rule, state, names + runouts)
        used, current = RUNOUT_BY[alike(state), runout, rule], IN_USE_BY[alike(state), loaded, rule]
        for at in SINCE.values():
            cohort = cohorts.RUNOUT.cohort_of(case.organization, at)

            assert case.roster(cohort) == used, (loaded, runout)
            if cohort:
                assert case.names(*cohort.subtracted_roster_ids) == ([current] if current != "-" else [])
                assert case.earlier(cohort) == "nobody"
                assert cohort.claims_through_date == dt.date(ROSTERS[used][1], 12, 31)
