import pytest

from tests.credentials.tokens.signing import Signer


@pytest.fixture
def signer(world) -> Signer:
    """A client of Harbor's with a key on the curve P-384."""
    return Signer(world.api_client().client).register()
