"""The sources of claims, by name."""

from exports.sources.base import Piece, Selection, Source, SourcePart
from exports.sources.deletions import Deletions
from exports.sources.store import ClaimsStore

SOURCES: dict[str, Source] = {"store": ClaimsStore(), "deletions": Deletions()}

__all__ = ["SOURCES", "ClaimsStore", "Deletions", "Piece", "Selection", "Source", "SourcePart"]
