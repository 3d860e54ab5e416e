"""Preference files, made up."""

import datetime as dt
import io

from django.utils import timezone

from attribution.consent import ledger
from attribution.models import Preference, PreferenceChange
from credentials.actor import Actor

NAME = "T#EFT.ON.ACO.NGD1800.DPRF.D260115.T1000009"
HEADER = "HDR_BENEDATASHR20260115"


def line(mbi: str, choice: str = "N", effective: dt.date | str | None = None, source: str = "1-800") -> str:
    """A line of a preference file, with columns that nobody reads."""
    on = effective if isinstance(effective, str) else f"{effective or dt.date(2026, 1, 15):%Y%m%d}"
    name_and_address = (
        f"{mbi:<11}{'123':<10}{'Ana':<30}{'':<30}{'Made Up':<40}19500101{'1 Elm St.':<165}{'Town':<40}NV99999    F"
    )
    return f"{name_and_address:<346}20260115{on:<8}{source:<5}T{choice:<1}{'':<8}1-800TNA9994{'An ACO':<70}"


def trailer(count: int | str) -> str:
    return f"TRL_BENEDATASHR20260115{count:<10}"


def text(*lines: str, count: int | str | None = None) -> str:
    return "\n".join([HEADER, *lines, trailer(len(lines) if count is None else count)]) + "\n"


def load(*lines: str, name: str = NAME, by: Actor | None = None) -> PreferenceChange:
    """Load a file with these lines."""
    return load_bytes(text(*lines).encode(), name=name, by=by)


def load_bytes(content: bytes, *, name: str = NAME, by: Actor | None = None) -> PreferenceChange:
    return ledger.load_file(io.BytesIO(content), file_name=name, by=by or Actor())


def say(mbi: str, choice: str, days: int = 0) -> PreferenceChange:
    """A preference that is in effect from some days after today on, as an operator adds it."""
    effective = timezone.localdate() + dt.timedelta(days=days)
    return ledger.record(
        mbi=mbi, choice=Preference.Choice(choice), effective_date=effective, source="a test", by=Actor()
    )
