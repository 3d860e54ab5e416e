"""JSON that all programs read the same way (I-JSON, RFC 7493), and nothing else. Pure.

It refuses what RFC 8259 leaves open: a name twice in an object (some programs use the first, some the last), NaN and
infinities, numbers beyond any double, half a character, and encodings other than UTF-8.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, Never


class AmbiguousJsonError(ValueError):
    """Programs can read this JSON differently; the message is a sentence and has no value of the JSON."""


def read(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError: AmbiguousJsonError, JSONDecodeError, UnicodeDecodeError."""
    try:
        found = json.loads(
            text.decode() if isinstance(text, bytes) else text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_number,
            parse_int=_integer,
        )
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise AmbiguousJsonError("A string has half of a surrogate pair, which is not a character.") from None
    except RecursionError:
        raise AmbiguousJsonError("It is nested too deeply.") from None
    return found


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise AmbiguousJsonError("An object has two members with the same name. Send each name once.")
    return members


def _constant(name: str) -> Never:
    raise AmbiguousJsonError(f"{name} is not a JSON number.")


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # thousands of digits
        raise AmbiguousJsonError("A number is too large.") from None


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise AmbiguousJsonError("A number is too large.")
    return number
