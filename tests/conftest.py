import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import World


@pytest.fixture
def world(db) -> World:
    """Two organizations with their people; see tests/world.py."""
    return World()


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A folder for embedded servers: its path is short, since sockets stand in it, and other accounts can enter it."""
    path = Path(tempfile.mkdtemp(prefix="cg-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
