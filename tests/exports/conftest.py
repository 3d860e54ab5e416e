import pytest


@pytest.fixture(autouse=True)
def _exports_folder(settings, tmp_path):
    """Each test writes its export files into a folder of its own."""
    exports = {**settings.STORAGES["exports"]}
    exports["OPTIONS"] = {**exports["OPTIONS"], "location": str(tmp_path / "exports")}
    settings.STORAGES = {**settings.STORAGES, "exports": exports}
