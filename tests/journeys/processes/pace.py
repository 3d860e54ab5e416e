"""Included by a worker (see hurried.py): it copies at the pace that stands in a file, and says where it is in another.

The pace is two numbers: seconds for a piece, and seconds before the file is closed. They may change at any time.
"""

import os
import time
from pathlib import Path

from exports.claims.splice import Body, Splice

FOLDER = Path(os.environ["TEST_PACE_FOLDER"])
PACE, PLACE = FOLDER / "pace", FOLDER / "place"

_add, _finish = Splice.add, Splice.finish


def add(splice: Splice, body: Body) -> None:
    _add(splice, body)
    _wait(0)


def finish(splice: Splice) -> None:
    _wait(1)
    _finish(splice)
    _say("between files")


def _wait(which: int) -> None:
    began = time.monotonic()
    _say(f"{('copying', 'closing')[which]} {began}")
    while time.monotonic() < began + float(PACE.read_text().split()[which]):
        time.sleep(0.01)


def _say(place: str) -> None:
    # Whole or not at all, as whoever reads it expects.
    new = PLACE.with_suffix(f".{os.getpid()}")
    new.write_text(place)
    new.replace(PLACE)


Splice.add, Splice.finish = add, finish
