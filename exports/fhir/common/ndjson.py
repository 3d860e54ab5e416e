"""Resources as lines of NDJSON. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

# A Decimal becomes the number it was written as, 37.50 and not 37.5: FHIR decimals keep their precision.
_encoder = msgspec.json.Encoder(decimal_format="number")


def line(body: Mapping[str, Any]) -> bytes:
    """A resource as one line: compact JSON in UTF-8 that ends in a newline."""
    buffer = bytearray()
    _encoder.encode_into(body, buffer)
    buffer += b"\n"
    return bytes(buffer)
