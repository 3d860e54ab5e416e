"""Whether each name stands once in each object of a line of JSON. Pure.

RFC 8259 leaves it open what `{"diagnosis": [1], "diagnosis": []}` means: most readers take the last, some the first,
some both. What we judged and whoever fetches it reads could then be two different claims. Go's encoding/json, among
others, disregards case, so names that differ in nothing else count as the same.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def is_ambiguous(line: bytes) -> bool:
    """Whether any object of a line has a name twice. Raises msgspec.DecodeError and RecursionError.

    The decoder keeps one element of each name, so what it read, written anew, holds fewer strings than the line did:
    asking that takes a third of the time of looking at each object.
    """
    text = line.decode()
    if "\\u" in text:
        # Any letter of a name may be written so. What has a name twice now loses it here.
        text = _encode(_decode(text)).decode()
    return _quotes(_encode(_decode(text.casefold()))) != _quotes(line)


def _quotes(text: bytes) -> int:
    """How many quotation marks begin or end strings."""
    if b"\\" in text:
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    return text.count(b'"')


def repeated_names(line: bytes) -> set[str]:
    """The names that an object of a line has twice, in the line's own letters."""
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
