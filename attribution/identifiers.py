"""The format of a Medicare Beneficiary Identifier. Pure.

CMS writes an MBI as eleven characters whose kinds are fixed by position (CMS, "Understanding the MBI format"):

    position   1     2       3                4      5       6                7      8       9       10     11
    kind       1-9   letter  letter or digit  digit  letter  letter or digit  digit  letter  letter  digit  digit

A real one also avoids the letters S, L, O, I, B and Z. We accept every letter from A to Z: an excluded letter in
position 2 marks test data (1S00A00AA00), and public test files have one in other places, too (1A69B98CD30). Another
number, such as the older HICN, must never pass as an MBI.
"""

import re
from dataclasses import dataclass

LENGTH = 11
LETTERS = "ACDEFGHJKMNPQRTUVWXY"
EXCLUDED_LETTERS = "SLOIBZ"

_LEADING, _LETTER, _EITHER, _DIGIT = "[1-9]", "[A-Z]", "[A-Z0-9]", "[0-9]"
_BY_POSITION = (
    *(_LEADING, _LETTER, _EITHER, _DIGIT),
    *(_LETTER, _EITHER, _DIGIT),
    *(_LETTER, _LETTER, _DIGIT, _DIGIT),
)
_SHAPE = re.compile("".join(_BY_POSITION))
# In a text, with or without the dashes that cards have.
_IN_TEXT = re.compile(f"(?<![0-9A-Za-z]){'-?'.join(_BY_POSITION)}(?![0-9A-Za-z])", re.IGNORECASE)
_WORDS = {
    _LEADING: "a digit from 1 to 9",
    _LETTER: "a capital letter",
    _EITHER: "a capital letter or a digit",
    _DIGIT: "a digit",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Where (1-based) a text stops being an MBI, and why. The reason never repeats the text."""

    position: int
    reason: str


def fault(text: str) -> Fault | None:
    """Return the first problem that keeps a text from being an MBI, or None."""
    if _SHAPE.fullmatch(text):
        return None
    if len(text) != LENGTH:
        return Fault(1, f"An MBI has {LENGTH} characters. This one has {len(text)}.")
    places = enumerate(zip(_BY_POSITION, text, strict=True), start=1)
    position, kind = next((place, kind) for place, (kind, character) in places if not re.fullmatch(kind, character))
    return Fault(position, f"Character {position} of an MBI must be {_WORDS[kind]}. Here it is not.")


def problem(text: str) -> str | None:
    """Return why a text is not an MBI, or None if it is one."""
    found = fault(text)
    return found.reason if found else None


def is_synthetic(mbi: str) -> bool:
    """Return True if CMS would never assign this MBI: its second character is an excluded letter."""
    return mbi[1:2] in tuple(EXCLUDED_LETTERS)


def masked(mbi: str) -> str:
    """Return an MBI of which only the last four characters can be read."""
    return "•" * (len(mbi) - 4) + mbi[-4:]


def without_mbis(text: str) -> str:
    """Return a text with everything that looks like an MBI redacted."""
    return _IN_TEXT.sub("[MBI]", text)
