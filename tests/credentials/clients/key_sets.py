"""A key set to fetch, and how a fetch is refused."""

import pytest

from credentials.clients import jwks
from credentials.clients.jwks import KeySetUnavailableError, Policy
from tests.credentials.tokens.signing import ec_key, jwk, key_set

HERE = Policy(allows_loopback=True)
ONE_KEY = key_set(jwk(ec_key(), "first"))


def assert_unavailable(url: str, policy: Policy, words: str) -> None:
    with pytest.raises(KeySetUnavailableError) as refused:
        jwks.fetch(url, policy)
    assert words in str(refused.value)
