"""The sources of claims, by name."""

from exports.sources.base import Part, Piece, Selection, Source
from exports.sources.store import ClaimsStore

SOURCES: dict[str, Source] = {"store": ClaimsStore()}

__all__ = ["SOURCES", "ClaimsStore", "Part", "Piece", "Selection", "Source"]
