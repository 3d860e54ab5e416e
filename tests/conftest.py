import pytest

from tests.world import World


@pytest.fixture
def world(db) -> World:
    """Two organizations with their people; see tests/world.py."""
    return World()
