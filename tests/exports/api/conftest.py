import pytest

from tests.exports.store import arrival, load, patient
from tests.world import ApiClient


@pytest.fixture
def api(world) -> ApiClient:
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi), arrival("ExplanationOfBenefit", f"e-{mbi}")] for mbi in mbis})
    return world.api_client().sign_in()
