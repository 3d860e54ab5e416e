"""`manage.py check --deploy` says what is missing, and what to do."""

import dataclasses

import pytest
from django.db import connection

from credentials import programs
from credentials.registry import Registry
from portal import checks
from portal.checks import (
    data_folder,
    database_connections,
    production_settings,
    roster_formats,
    roster_years,
    trusted_proxies,
)

GOOD = {
    "EMBEDDED": False,
    "DATABASE_URL": "postgres://host/claimsgate",
    "SECRET_KEY": "x" * 60,
    "CELERY_BROKER_URL": "redis://host:6379/0",
    "ALLOWED_HOSTS": ["gate.example"],
}


@pytest.fixture
def production(settings):
    for name, value in GOOD.items():
        setattr(settings, name, value)
    return settings


def test_good_settings_are_met_with_silence(production):
    assert production_settings() == []


@pytest.mark.parametrize(
    ("name", "value", "identity"),
    [
        ("EMBEDDED", True, "claimsgate.W001"),
        ("DATABASE_URL", "", "claimsgate.E001"),
        ("SECRET_KEY", "", "claimsgate.E002"),
        ("CELERY_BROKER_URL", "", "claimsgate.E003"),
        ("DATABASE_POOL_SIZE", 0, "claimsgate.E008"),
        ("ALLOWED_HOSTS", ["*"], "claimsgate.E004"),
        ("CACHES", {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}, "claimsgate.E007"),
        ("CACHES", {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}, "claimsgate.E007"),
        ("CACHES", {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache"}}, "claimsgate.E007"),
    ],
)
def test_a_missing_or_wrong_setting_is_named_with_a_hint(production, name, value, identity):
    setattr(production, name, value)

    (message,) = production_settings()

    assert message.id == identity
    assert message.hint


@pytest.mark.parametrize("backend", ["redis.RedisCache", "db.DatabaseCache"])
def test_a_cache_that_servers_share_is_met_with_silence(production, backend):
    production.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}

    assert production_settings() == []


def test_a_roster_format_that_a_program_names_and_nobody_added_is_named(monkeypatch):
    assert roster_formats() == []
    lists = dataclasses.replace(programs.SSP, code="LISTS", name="Lists", roster_formats=("cclf", "list"))
    monkeypatch.setattr(checks, "PROGRAMS", Registry("programs", lambda each: each.code, programs.SSP, lists))

    [message] = roster_formats()

    assert message.id == "claimsgate.E009"
    assert message.msg == "Lists uses the roster format 'list', which doesn't exist."
    assert message.hint


@pytest.mark.parametrize("wrong", [{"*": "lenient"}, {"*": ""}, {"SPP": "strict"}, {"": "any"}])
def test_a_rule_on_years_that_is_none_is_named_before_an_export_fails(settings, wrong):
    settings.ROSTER_YEARS = {"*": "strict", "SSP": "last-year", "GUIDE": "any"}
    assert roster_years() == []

    settings.ROSTER_YEARS |= wrong
    [message] = roster_years()

    assert message.id == "claimsgate.E012"
    assert message.hint


def test_a_data_folder_that_is_not_there_is_named_with_a_hint(production, tmp_path):
    production.DATA_DIR = tmp_path
    assert data_folder() == []

    production.DATA_DIR = tmp_path / "missing"
    [message] = data_folder()

    assert message.id == "claimsgate.W020"
    assert str(tmp_path / "missing") in message.msg


@pytest.mark.parametrize(("limit", "identities"), [(-1, []), (26, []), (25, ["claimsgate.W003"])])
def test_a_database_that_lets_too_few_in_is_named_with_what_is_wanted(production, db, limit, identities):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE current_user CONNECTION LIMIT {limit}")

    messages = database_connections(databases=["default"])

    assert [message.id for message in messages] == identities
    assert all("allows 25 connections" in message.msg and "may need 26" in message.msg for message in messages)


def test_without_a_database_that_was_named_nothing_is_asked(production):
    assert database_connections() == database_connections(databases=None) == []


@pytest.mark.parametrize(
    ("entry", "identities"),
    [
        ("10.0.0.0/8", []),
        ("10.0.0.5", []),
        ("nonsense", ["claimsgate.E005"]),
        ("0.0.0.0/0", ["claimsgate.E006"]),
        ("::/0", ["claimsgate.E006"]),
    ],
)
def test_trusted_proxies_are_networks_and_not_everyone(settings, entry, identities):
    settings.TRUSTED_PROXIES = [entry]

    assert [message.id for message in trusted_proxies()] == identities
