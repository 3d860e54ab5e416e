"""JSON that all readers understand alike (I-JSON, RFC 7493), and nothing else. Pure.

What RFC 8259 leaves to each reader is refused: a name twice in an object, which some take from its first place and some
from its last; NaN and the like; numbers beyond any double; half a character; an encoding other than UTF-8.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, Never


class AmbiguousJsonError(ValueError):
    """It is JSON to some readers and not to others, or not the same; the message is a sentence and holds no value."""


def read(text: str | bytes) -> Any:
    """The value that a text stands for. Raises ValueError: AmbiguousJsonError, JSONDecodeError, UnicodeDecodeError."""
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
