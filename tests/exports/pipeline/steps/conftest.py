"""A job of Harbor that has started."""

import pytest

from exports.models import Job
from tests.exports.pipeline.steps.job import GROUP, eob
from tests.exports.store import load, patient, start


@pytest.fixture
def harbor_job(world) -> Job:
    mbis = world.beneficiaries(3)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi), eob(number)] for number, mbi in enumerate(mbis)})
    return start(world.harbor, scope=GROUP)
