import pytest

from credentials.registry import Registry, TakenKeyError


def lengths(*words: str) -> Registry[int, str]:
    return Registry("words", len, *words)


def test_entries_keep_their_order():
    registry = lengths("four", "to")

    registry.add("six")

    assert list(registry) == ["four", "to", "six"]
    assert len(registry) == 3


def test_an_entry_is_found_by_its_key():
    registry = lengths("four")

    assert registry[4] == "four"
    assert 4 in registry
    assert registry.get(5) is None
    with pytest.raises(KeyError):
        registry[5]


def test_a_second_entry_with_the_same_key_is_refused_and_the_first_one_stays():
    registry = lengths("four")

    with pytest.raises(TakenKeyError, match="two words with the key 4"):
        registry.add("five")

    assert registry[4] == "four"
