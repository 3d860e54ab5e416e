"""Export files on a disk: what a killed worker leaves, who may read, and how nginx is told where a file is."""

import os
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousFileOperation

from exports import storage
from exports.storage import local

NAME = "00000000-0000-4000-8000-000000000000.ndjson"


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "exports" / "7"


def write(content: bytes = b"content") -> None:
    with storage.writing(7, NAME) as file:
        file.write(content)


class KilledError(BaseException):
    """What a process that is killed would be spared: it cleans nothing up."""


def killed_while_writing(monkeypatch, content: bytes) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KilledError), storage.writing(7, NAME) as file:
            file.write(content)
            file.flush()
            raise KilledError


def test_what_a_killed_worker_left_goes_when_its_job_is_finished(folder, monkeypatch):
    killed_while_writing(monkeypatch, b"half, but much longer than the whole")
    left = list(folder.iterdir())
    write(b"whole")

    assert storage.settle(7, {NAME: 5}) == []

    assert len(left) == 1
    assert list(folder.iterdir()) == [folder / NAME]
    assert (folder / NAME).read_bytes() == b"whole"


def test_what_a_killed_worker_left_goes_with_its_job(folder, monkeypatch):
    killed_while_writing(monkeypatch, b"half")

    storage.remove_all(7)

    assert not folder.exists()


def test_a_block_that_ends_badly_leaves_nothing_in_the_folder(folder):
    with pytest.raises(RuntimeError), storage.writing(7, NAME) as file:
        file.write(b"half")
        raise RuntimeError

    assert list(folder.iterdir()) == []


def test_a_slow_worker_that_was_given_up_does_not_spoil_the_file_of_its_successor(folder):
    given_up = storage.writing(7, NAME)
    its_file = given_up.__enter__()
    its_file.write(b"the same")

    write(b"the same")
    whole_meanwhile = (folder / NAME).read_bytes()
    given_up.__exit__(None, None, None)

    assert whole_meanwhile == b"the same"
    assert list(folder.iterdir()) == [folder / NAME]
    assert (folder / NAME).read_bytes() == b"the same"


def test_files_and_folders_are_their_owners_alone_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        write()
    finally:
        os.umask(before)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / NAME).stat().st_mode & 0o777 == 0o600


def test_a_folder_is_synced_once_a_job_and_each_file_once(folder, monkeypatch):
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )

    write()
    write()
    storage.settle(7, {NAME: 7})

    assert [Path(path).name.startswith(f".{NAME}") for path in synced] == [True, True, False]
    assert synced[2] == str(folder)


@pytest.mark.parametrize("can", [True, False])
def test_a_file_is_the_same_whether_or_not_the_system_lets_the_disk_work_ahead(folder, monkeypatch, can):
    monkeypatch.setattr(local, "CAN_WORK_AHEAD", can)
    if not can:
        monkeypatch.delattr(os, "posix_fadvise")
    block = os.urandom(local.AHEAD_BYTES // 2 + 1)

    with storage.writing(7, NAME) as file:
        for _ in range(5):
            file.write(block)

    with storage.opened(7, NAME) as stored:
        assert stored.read() == 5 * block


def test_without_nginx_we_send_files_ourselves():
    write()

    assert storage.sent_by_another(7, NAME) is None


@pytest.mark.parametrize("prefix", ["/protected-exports/", "protected-exports"])
def test_with_nginx_in_front_it_is_told_where_the_file_is(settings, prefix):
    exports = settings.STORAGES["exports"]
    exports["OPTIONS"] = {**exports["OPTIONS"], "x_accel_prefix": prefix}
    settings.STORAGES = {**settings.STORAGES, "exports": exports}
    write()

    assert storage.sent_by_another(7, NAME) == {"X-Accel-Redirect": f"/protected-exports/7/{NAME}"}
    with pytest.raises(FileNotFoundError):
        storage.sent_by_another(8, NAME)
    for name in ("../8/a", "a\r\nX-Accel-Redirect: /etc/passwd", "a%0d%0ab"):
        with pytest.raises(SuspiciousFileOperation):
            storage.sent_by_another(7, name)
