import datetime as dt

import pytest
from django.utils import timezone

from portal.templatetags import plain_words

EASTERN = dt.timezone(dt.timedelta(hours=-5))
NOON = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def noon(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON)


def test_a_time_is_told_in_utc_wherever_it_came_from():
    moment = dt.datetime(2026, 11, 21, 23, 5, tzinfo=EASTERN)

    assert plain_words.utc(moment) == "Nov 22, 2026, 04:05 UTC"
    assert plain_words.day(moment) == "Nov 22, 2026"
    assert plain_words.day(dt.date(2026, 2, 1)) == "Feb 1, 2026"


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (dt.timedelta(days=90), "in 90 days"),
        (dt.timedelta(days=89, hours=23), "in 90 days"),
        (dt.timedelta(days=1), "in 1 day"),
        (dt.timedelta(hours=23, minutes=59), "in 23 hours"),
        (dt.timedelta(hours=1), "in 1 hour"),
        (dt.timedelta(minutes=5), "in 5 minutes"),
        (dt.timedelta(seconds=30), "in less than a minute"),
        (dt.timedelta(seconds=-30), "less than a minute ago"),
        (dt.timedelta(minutes=-1), "1 minute ago"),
        (dt.timedelta(days=-2), "2 days ago"),
    ],
)
def test_how_far_off_a_time_is(noon, away, words):
    assert plain_words.distance(NOON + away) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (21_400_000, "21.4 MB"),
        (22 * 10**9, "22.0 GB"),
        (5 * 10**12, "5.0 TB"),
    ],
)
def test_sizes(count, words):
    assert plain_words.size(count) == words


def test_what_is_not_known_is_left_blank():
    assert plain_words.utc(None) == plain_words.day(None) == plain_words.distance(None) == ""
    assert plain_words.thousands(None) == "0"
    assert plain_words.thousands(1_900_000) == "1,900,000"


def test_durations():
    assert plain_words.duration(dt.timedelta(hours=24)) == "24 hours"
    assert plain_words.duration(dt.timedelta(minutes=1)) == "1 minute"
