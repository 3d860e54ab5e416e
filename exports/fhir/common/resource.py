"""A rendered resource, of any version of the API. Pure."""

import datetime as dt
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Resource:
    """Bodies share their parts: read them, don't change them."""

    resource_type: str
    id: str
    service_date: dt.date | None  # the last service date, for claims
    body: dict[str, Any]
