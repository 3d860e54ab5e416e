"""The sources of claims, by name."""

from credentials.registry import Registry
from exports.sources.base import Content, Moment, Piece, Selection, Shortfall, Source, SourcePart
from exports.sources.deletions import Deletions
from exports.sources.store import ClaimsStore

SOURCES: Registry[str, Source] = Registry("sources", lambda source: source.name, ClaimsStore())

__all__ = [
    "SOURCES",
    "ClaimsStore",
    "Content",
    "Deletions",
    "Moment",
    "Piece",
    "Selection",
    "Shortfall",
    "Source",
    "SourcePart",
]
