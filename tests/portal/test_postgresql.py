"""Times that PostgreSQL has and Python has not."""

import datetime as dt

import pytest
from django.db import connection

from exports.models import Job
from portal.postgresql.base import EARLIEST, LATEST
from tests.exports.store import fill, start

pytestmark = pytest.mark.django_db

BEFORE_CHRIST = "0001-12-31 18:30:00+00 BC"
TOO_LATE = "10000-01-01 13:59:59+00"


def read(expression: str):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}")
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("written", "known"),
    [
        (f"'{BEFORE_CHRIST}'::timestamptz", EARLIEST),
        ("'-infinity'::timestamptz", EARLIEST),
        (f"'{TOO_LATE}'::timestamptz", LATEST),
        ("'infinity'::timestamptz", LATEST),
        ("'0044-03-15 12:00:00 BC'::timestamp", EARLIEST.replace(tzinfo=None)),
        ("'infinity'::timestamp", LATEST.replace(tzinfo=None)),
        ("'0044-03-15 BC'::date", EARLIEST.date()),
        ("'-infinity'::date", EARLIEST.date()),
        ("'10000-01-01'::date", LATEST.date()),
        ("'infinity'::date", LATEST.date()),
    ],
)
def test_a_time_that_python_has_not_is_read_as_one_of_its_first_or_last_century(written, known):
    assert read(written) == known


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("'0001-01-01 00:00:00+00'::timestamptz", dt.datetime.min.replace(tzinfo=dt.UTC)),
        ("'9999-12-31 23:59:59.999999+00'::timestamptz", dt.datetime.max.replace(tzinfo=dt.UTC)),
        ("'2026-11-22 12:00:00.5-05'::timestamptz", dt.datetime(2026, 11, 22, 17, 0, 0, 500_000, dt.UTC)),
        ("'2026-11-22'::date", dt.date(2026, 11, 22)),
    ],
)
def test_every_other_is_read_as_it_is(written, moment):
    found = read(written)

    assert found == moment
    assert getattr(found, "tzinfo", dt.UTC) == dt.UTC


def test_rows_are_read_whichever_way_they_come(world):
    world.roster(world.harbor, world.beneficiaries(1))
    fill(world)
    poisoned, healthy = start(world.harbor), start(world.harbor)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE exports_job SET sent_at = %s WHERE id = %s", [BEFORE_CHRIST, poisoned.pk])

    jobs = Job.objects.order_by("pk")

    assert [job.sent_at for job in jobs] == [EARLIEST, None]
    assert [job.pk for job in jobs.iterator(chunk_size=1)] == [poisoned.pk, healthy.pk]
    assert jobs.filter(sent_at__lt=dt.datetime(1900, 1, 1, tzinfo=dt.UTC)).get() == poisoned
