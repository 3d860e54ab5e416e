"""PostgreSQL as the cache that all servers share, where there is no Redis and no Valkey: see docs/production.md."""

import os
import re
import subprocess
import sys

import pytest
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.management import call_command

from credentials.access import limits
from credentials.access.limits import Budget
from credentials.models import CallCount
from tests.services import REPOSITORY

SECRET = re.compile(r"cgs_[0-9a-f]{64}")
URL = "dbcache://claimsgate_cache"


@pytest.fixture(autouse=True)
def _postgresql_is_the_cache(db, settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "claimsgate_cache"}
    }
    call_command("createcachetable")


def test_a_new_secret_waits_there_and_is_shown_once(delegate):
    answer = delegate.post("/organizations/A9994/credentials/new", {"name": "Warehouse", "address_1": "8.8.8.8"})
    first, second = (delegate.get(answer["Location"]).content.decode() for _ in range(2))

    assert isinstance(caches["default"], DatabaseCache)
    assert SECRET.search(first)
    assert not SECRET.search(second)


def test_calls_are_counted_in_their_own_table():
    spent = [limits.spend([Budget("key", 2)]) for _ in range(3)]

    assert [excess is None for excess in spent] == [True, True, False]
    assert CallCount.objects.get(key="key").count == 3


def test_it_has_room_for_all_that_waits():
    """Django's own limit is 300 entries; beyond it secrets that have not been shown yet would be thrown away."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgres://nobody@127.0.0.1:1/x", "CACHE_URL": URL}

    told = subprocess.run(
        [sys.executable, "-c", "from portal import settings; print(settings.CACHES['default'])"],
        cwd=REPOSITORY,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert "'LOCATION': 'claimsgate_cache'" in told
    assert "'MAX_ENTRIES': 100000" in told
