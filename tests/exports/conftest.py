import pytest

from exports.pipeline import write


@pytest.fixture(autouse=True)
def _exports_folder(settings, tmp_path):
    """Each test writes its export files into a folder of its own."""
    exports = {**settings.STORAGES["exports"]}
    exports["OPTIONS"] = {**exports["OPTIONS"], "location": str(tmp_path / "exports")}
    settings.STORAGES = {**settings.STORAGES, "exports": exports}


@pytest.fixture
def unhurried(db, monkeypatch):
    """A worker writes within the test's transaction: it does not renew its lease over a connection of its own."""
    monkeypatch.setattr(write, "HEARTBEAT_SECONDS", 3600)
