import pytest

from exports.sources import SOURCES
from tests.toys.source import ToySource


class Doubtful(ToySource):
    """The toy, under another name, whose beneficiaries can be changed while a job runs."""

    name = "doubtful"


@pytest.fixture
def source(settings, unhurried) -> Doubtful:
    """The source of new jobs. In this process alone, and for good: entries are never removed."""
    if "doubtful" not in SOURCES:
        SOURCES.add(Doubtful())
    settings.EXPORT_SOURCE = "doubtful"
    return SOURCES["doubtful"]


@pytest.fixture
def people(world, source) -> list[str]:
    """Five beneficiaries in three files. The source fails for the first."""
    mbis = world.beneficiaries(5)
    world.roster(world.harbor, mbis)
    return mbis
