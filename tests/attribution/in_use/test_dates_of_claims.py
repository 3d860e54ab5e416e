"""From which service date to which an export has claims: each program, group, state and exception, as data.

It is January 20, 2027. A hyphen is no limit.
"""

import datetime as dt
from itertools import product

import pytest
from django.utils import timezone

from attribution import cohorts
from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.models import Organization
from credentials.programs import PROGRAMS
from exports import kickoff, tasks
from exports.models import Job
from tests.exports.store import load, patient
from tests.world import OrganizationFactory, World

NOW = dt.datetime(2027, 1, 20, 12, tzinfo=dt.UTC)
# A rolling look-back, a fixed day, and none.
FROM = {
    "CKCC": "2025-01-01",
    "KCF": "2025-01-01",
    "REACH": "2023-04-01",
    "GUIDE": "2022-07-01",
    **dict.fromkeys(["SSP", "CEC", "NGACO", "MDTCOC", "CDAC", "ACCESS", "IOTA", "TEST"], "-"),
}
EXCEPTIONS = {"none": None, "established": dt.date(2021, 7, 1)}
# When participation ended, and whether that limits claims.
STATES = {
    "active": ("active", None, "historical"),
    "ended in the year": ("limited", dt.date(2026, 11, 30), "historical"),
    "ended after it": ("limited", dt.date(2027, 1, 10), "historical"),
    "ended, latest": ("limited", dt.date(2026, 11, 30), "latest"),
}
THROUGH = {
    ("all", "active"): "-",
    ("all", "ended in the year"): "2026-11-30",
    ("all", "ended after it"): "2027-01-10",
    ("all", "ended, latest"): "-",
    ("runout", "active"): "2026-12-31",
    ("runout", "ended in the year"): "2026-11-30",
    ("runout", "ended after it"): "2026-12-31",
    ("runout", "ended, latest"): "2026-12-31",
}


@pytest.fixture
def rosters(world: World, monkeypatch):
    """Gives an organization a roster of each kind."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    monkeypatch.setattr(tasks, "call_planner", lambda *_arguments: None)
    (mbi,) = world.beneficiaries(1)
    load({mbi: [patient(mbi)]})

    def give(organization: Organization) -> None:
        made = world.roster(organization, [mbi], published_at=NOW)
        runout = world.roster(organization, [mbi], published_at=NOW)
        RosterFile.objects.filter(pk=runout.pk).update(kind="runout", performance_year=2026)
        assert made.performance_year == 2027

    return give


def test_every_program_and_state_is_in_the_tables():
    assert set(FROM) == {program.code for program in PROGRAMS}
    assert set(THROUGH) == set(product([rule.group_id for rule in (cohorts.ALL, cohorts.RUNOUT)], STATES))


@pytest.mark.parametrize("code", FROM)
def test_from_and_through(world: World, rosters, code) -> None:
    program = PROGRAMS[code]
    entity_id = program.entity_ids.example
    found = Organization.objects.filter(entity_id=entity_id).first()  # those of the cast have examples, too
    organization = found or OrganizationFactory(program=program, entity_id=entity_id)
    rosters(organization)
    for (state, facts), (exception, day), rule in product(
        STATES.items(), EXCEPTIONS.items(), (cohorts.ALL, cohorts.RUNOUT)
    ):
        organization.status, organization.termination_date, organization.claims_strategy = facts
        organization.attribution_strategy, organization.claims_from_date = "latest", day
        organization.save()

        job = kickoff.kick_off(
            organization=organization,
            version=2,
            scope=Job.Scope.GROUP_ALL,
            rule=rule,
            resource_types=["Patient"],
            since=None,
            request_url="http://testserver/",
            by=Actor(),
        )

        wanted = FROM[code] if exception == "none" else "2021-07-01"
        found = [str(each or "-") for each in (job.claims_from_date, job.claims_through_date)]
        assert found == [wanted, THROUGH[rule.group_id, state]], (state, exception, rule.group_id)
