"""The entries of a seam, by key: programs, cohort rules, API versions, sources, roster formats. Pure.

An app that is in EXTRA_APPS adds its own entries in `AppConfig.ready` (docs/extending.md).
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key")
Entry = TypeVar("Entry")


class TakenKeyError(ValueError):
    """Another entry has the same key."""


class Registry(Generic[Key, Entry]):
    """Entries in the order in which they were added. No key has two, and none is ever replaced or removed."""

    def __init__(self, what: str, key_of: Callable[[Entry], Key], *entries: Entry) -> None:
        self._what = what
        self._key_of = key_of
        self._entries: dict[Key, Entry] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Add an entry at the end. Raises TakenKeyError."""
        key = self._key_of(entry)
        if key in self._entries:
            raise TakenKeyError(f"There are two {self._what} with the key {key!r}. Give one of them another key.")
        self._entries[key] = entry

    def get(self, key: Key) -> Entry | None:
        return self._entries.get(key)

    def __getitem__(self, key: Key) -> Entry:
        return self._entries[key]

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)
