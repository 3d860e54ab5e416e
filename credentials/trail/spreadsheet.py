"""Cells for spreadsheets, from what others have written. Pure."""

import unicodedata

# A spreadsheet treats a cell that begins with one of these as a formula or a command (OWASP, CSV injection). In some
# languages, Excel also accepts the full-width ones, which Unicode's compatibility forms (NFKC) convert.
_BEGINS_A_FORMULA = frozenset("=+-@|%\N{MINUS SIGN}")
_BEGINS_A_CELL = ("\t", "\r", "\n")


def cell(text: str) -> str:
    """Return a text that a spreadsheet takes for nothing but a text."""
    return f"'{text}" if _may_be_formula(text) else text


def _may_be_formula(text: str) -> bool:
    """Return whether a spreadsheet could see more than text in a cell. Invisible characters before it don't matter."""
    first = next((character for character in text if character.isprintable() and not character.isspace()), "")
    return text.startswith(_BEGINS_A_CELL) or unicodedata.normalize("NFKC", first)[:1] in _BEGINS_A_FORMULA
