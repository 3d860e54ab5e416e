"""The sources of claims, by name."""

from exports.sources.base import Part, Piece, Selection, Source
from exports.sources.deletions import Deletions
from exports.sources.store import ClaimsStore

SOURCES: dict[str, Source] = {"store": ClaimsStore(), "deletions": Deletions()}

__all__ = ["SOURCES", "ClaimsStore", "Deletions", "Part", "Piece", "Selection", "Source"]
