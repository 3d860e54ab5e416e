"""A pytest plugin (see addopts in pyproject.toml): the tests' own embedded services, or those the environment names."""

import os
from pathlib import Path

import pytest

from portal import embedded

REPOSITORY = Path(__file__).resolve().parent.parent

# Before the settings are read. A data folder of their own: the tests never touch what a demo has left in var/.
# Where pytest runs in several processes, each has its own servers: what one puts on the broker, no other takes.
os.environ.setdefault("CLAIMSGATE_DATA_DIR", str(REPOSITORY / "var" / "test"))
if _process := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["CLAIMSGATE_DATA_DIR"] = str(Path(os.environ["CLAIMSGATE_DATA_DIR"]) / _process)
os.environ.setdefault("CLAIMSGATE_EMBEDDED", "on")


def pytest_configure(config: pytest.Config) -> None:
    leaves_tests_to_others = config.option.dist != "no" and not _process
    if config.option.collectonly or leaves_tests_to_others:
        return
    from django.conf import settings

    # People's passwords are hashed slowly on purpose; the cast has no secrets to keep.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Nothing here has to outlive a power failure.
    embedded.POSTGRES_OPTIONS.update(fsync="off", synchronous_commit="off", full_page_writes="off")
    settings.SERVICES.start()


def pytest_unconfigure() -> None:
    from django.conf import settings

    settings.SERVICES.stop()
