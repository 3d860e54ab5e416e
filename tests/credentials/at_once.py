"""Many callers at the same moment, each over a connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

CALLERS = 20

T = TypeVar("T")


def at_once(act: Callable[[int], T]) -> list[T | Exception]:
    """What each caller got, or the error that it was answered with; `act` is given the caller's number."""
    ready = threading.Barrier(CALLERS)

    def call(number: int) -> T | Exception:
        try:
            connection.ensure_connection()
            ready.wait(20)
            return act(number)
        except Exception as error:  # noqa: BLE001  # the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(call, range(CALLERS)))
