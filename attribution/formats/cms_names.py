"""What the names of all files from CMS have in common. Pure.

    P.A9994.ACO.ZCY26.D260211.T1435560      P production or T test; D date, T time in UTC, the last digit is tenths

A browser that downloads a file twice numbers the second: `….T1435560 (1).zip`, or `….D260211 (1).T1435560` if the name
has no ending. The name that CMS gave is the one without the number.
"""

import datetime as dt
import re

from attribution.formats.base import BadFileName, shown, without_folders

ENVIRONMENT = r"(?P<environment>[PT])"
MOMENT = r"\.D(?P<date>[0-9]{6})\.T(?P<time>[0-9]{7})"

_COPY = r"(?: ?\([0-9]{1,3}\)|-[0-9]{1,2}| ?- ?Copy(?: \([0-9]{1,3}\))?)"
_COPIED = re.compile(
    rf"(?P<start>.*\.D[0-9]{{6}}){_COPY}?(?P<end>\.T[0-9]{{7}}){_COPY}?(?P<ending>\.[A-Za-z]{{3}})?", re.DOTALL
)


def as_sent(file_name: str, *endings: str) -> str:
    """Return a name as CMS gave it: without folders, without the number of a copy, and without one of these endings."""
    name = without_folders(file_name)
    if copied := _COPIED.fullmatch(name):
        name = copied["start"] + copied["end"] + (copied["ending"] or "")
    return next((name[: -len(each)] for each in endings if name.lower().endswith(each)), name)


def is_test(match: re.Match[str]) -> bool:
    """Return True for a test file, by a match of ENVIRONMENT."""
    return match["environment"] == "T"


def moment(match: re.Match[str]) -> dt.datetime:
    """Return when a file was made, by a match of MOMENT. Raises BadFileName."""
    date, time = match["date"], match["time"]
    year, month, day = 2000 + int(date[:2]), int(date[2:4]), int(date[4:])
    hour, minute, second, tenths = int(time[:2]), int(time[2:4]), int(time[4:6]), int(time[6])
    try:
        return dt.datetime(year, month, day, hour, minute, second, tenths * 100_000, tzinfo=dt.UTC)
    except ValueError as error:
        raise BadFileName(
            f"{shown(match.string)} has a date or time that does not exist (D{date} T{time}): {error}. "
            "The format is Dyymmdd and Thhmmsst. Use the name that CMS gave the file."
        ) from error
