"""Loaded by Python at its start, in processes under libfaketime: version 0.9.10 makes time.sleep fail (EINVAL)."""

import select
import time


def sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


time.sleep = sleep
