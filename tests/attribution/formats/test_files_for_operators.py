"""Files that only an operator can load: old ones, and test files for organizations that are no sandboxes."""

import pytest

from attribution.loading import load_roster
from attribution.models import RosterFile
from credentials.actor import Actor
from tests.attribution.archives import NAME, archive
from tests.world import World

OCTOBER = "P.BCD.A9994.ZCY26.D261001.T1000000"
DECEMBER_BEFORE = "P.BCD.A9994.ZCY25.D251201.T1000000"


def only_reason(roster: RosterFile) -> str:
    assert roster.status == RosterFile.Status.REFUSED
    (problem,) = roster.problems
    return problem["reason"]


@pytest.mark.parametrize("days", [0, 50])
def test_a_file_that_is_too_old_for_exports_is_only_loaded_by_an_operator(world: World, settings, days: int) -> None:
    settings.ROSTER_DAYS = days

    uploaded = load_roster(archive(OCTOBER), file_name=OCTOBER, by=Actor(user=world.delegate))
    loaded = load_roster(archive(DECEMBER_BEFORE), file_name=DECEMBER_BEFORE, by=Actor.of_command("load_roster"))

    assert (uploaded.status == "published") == (days == 0)
    assert loaded.status == "published"
    if days:
        assert only_reason(uploaded) == (
            "The file is from 2026-10-01, more than 50 days ago, so exports couldn't use it. "
            "Choose the newest file. For an older one, ask an operator."
        )


def test_a_test_file_for_an_organization_that_is_no_sandbox_needs_an_operator(world: World) -> None:
    name = NAME.replace("P.BCD", "T.BCD")
    refused = load_roster(archive(name), file_name=name, by=Actor())

    accepted = load_roster(archive(name), file_name=name, by=Actor(), accepts_test_file=True)

    assert only_reason(refused) == (
        "This is a test file, but A9994 is not a sandbox. Choose the production file: its name begins with P. "
        "If a test file is meant, an operator can load it: load_roster --accept-test-file."
    )
    assert (accepted.status, accepted.beneficiary_count) == ("published", 3)
    assert [each["reason"] for each in accepted.warnings] == ["This is a test file. An operator has loaded it."]
