"""What an attacker with a stopwatch learns: nothing."""

import statistics
import time

from django.db import connection
from django.test.utils import CaptureQueriesContext

from credentials import secret_text
from tests.world import ApiClient

ROUNDS = 60


def seconds(act) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def test_an_unknown_client_and_a_wrong_secret_take_the_same_time(world):
    known = world.api_client()
    unknown = ApiClient(known.client, known.secret)
    unknown.client = type(known.client)(client_id="11111111-2222-3333-4444-555555555555")
    wrong = "cgs_" + "0" * 64
    known.ask_for_token(secret=wrong)
    unknown.ask_for_token(secret=wrong)

    times = {"known": [], "unknown": []}
    for _ in range(ROUNDS):
        times["known"].append(seconds(lambda: known.ask_for_token(secret=wrong)))
        times["unknown"].append(seconds(lambda: unknown.ask_for_token(secret=wrong)))

    a, b = (statistics.median(each) for each in times.values())
    assert abs(a - b) < 0.25 * max(a, b)


def test_an_unknown_client_and_a_wrong_secret_ask_the_database_the_same(world):
    known = world.api_client()
    asked = []
    for client_id in (known.client.client_id, "11111111-2222-3333-4444-555555555555"):
        known.client.client_id = client_id
        with CaptureQueriesContext(connection) as captured:
            known.ask_for_token(secret="cgs_" + "0" * 64)
        asked.append([query["sql"].split()[0] for query in captured.captured_queries])

    assert asked[0] == asked[1] != []


def test_a_secret_is_verified_in_microseconds():
    fastest = min(seconds(lambda: secret_text.digest("cgs_" + "0" * 64)) for _ in range(100))

    assert fastest < 50e-6
