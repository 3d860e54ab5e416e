"""What holds of export files wherever they are stored: on a disk, and on a server that speaks S3."""

import gzip
import hashlib
import random
import tracemalloc

import pytest
from django.core.exceptions import SuspiciousFileOperation
from isal import igzip

from exports import storage
from tests.s3 import CREDENTIALS, s3_server

NAME = "00000000-0000-4000-8000-000000000000.ndjson"
OTHER = "11111111-1111-4111-8111-111111111111.ndjson"
CONTENT = random.Random(1).randbytes(100_000)
SEVERAL_PARTS = random.Random(2).randbytes(20 << 20)
MANY_PARTS = SEVERAL_PARTS * 4
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server():
    with s3_server() as it:
        yield it


@pytest.fixture(params=["disk", "S3"], autouse=True)
def place(request, settings, tmp_path, monkeypatch):
    if request.param == "S3":
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        server = request.getfixturevalue("server")
        settings.STORAGES = {**settings.STORAGES, "exports": server.storage(location=tmp_path.name)}
    return request.param


def write(content: bytes = CONTENT, *, job_id: int = 7, name: str = NAME) -> None:
    with storage.writing(job_id, name) as file:
        for start in range(0, len(content), MEGABYTE):
            file.write(content[start : start + MEGABYTE])


def read(job_id: int = 7, name: str = NAME, part: range | None = None) -> bytes:
    file = storage.opened(job_id, name, part)
    try:
        return file.read()
    finally:
        file.close()


@pytest.mark.parametrize("content", [b"x", CONTENT, SEVERAL_PARTS], ids=["a byte", "one part", "several parts"])
def test_what_was_written_is_read(content):
    write(content)

    assert read() == content
    assert storage.sha256(7, NAME) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("part", [range(1), range(99_999, 100_000), range(500, 1_500), range(100_000)])
def test_a_part_is_read_alone(part):
    write()

    assert read(part=part) == CONTENT[part.start : part.stop]


def test_a_part_is_read_in_small_pieces():
    write()

    file = storage.opened(7, NAME, range(10, 2_000))
    pieces = list(iter(lambda: file.read(300), b""))
    file.close()

    assert b"".join(pieces) == CONTENT[10:2_000]
    assert {len(piece) for piece in pieces[:-1]} == {300}


def test_what_is_stored_can_be_inflated_while_it_is_read():
    plain = CONTENT * 30
    write(gzip.compress(plain))

    with storage.opened(7, NAME) as file, igzip.IGzipFile(fileobj=file) as inflated:
        pieces = list(iter(lambda: inflated.read(70_000), b""))

    assert b"".join(pieces) == plain


def test_a_file_that_is_written_again_is_replaced_when_the_new_one_is_whole():
    write(b"first")

    with storage.writing(7, NAME) as file:
        file.write(b"second")
        before = read()

    assert before == b"first"
    assert read() == b"second"


def test_a_file_that_is_half_written_is_not_there():
    with storage.writing(7, NAME) as file:
        file.write(CONTENT)
        with pytest.raises(FileNotFoundError):
            read()

    assert read() == CONTENT


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_block_that_ends_badly_leaves_nothing(error):
    with pytest.raises(error), storage.writing(7, NAME) as file:
        file.write(SEVERAL_PARTS)
        raise error

    with pytest.raises(FileNotFoundError):
        read()
    assert storage.settle(7, {NAME: len(SEVERAL_PARTS)}) == [NAME]


def test_a_block_that_ends_badly_leaves_the_file_that_was_there():
    write(b"first")

    with pytest.raises(RuntimeError), storage.writing(7, NAME) as file:
        file.write(b"second")
        raise RuntimeError

    assert read() == b"first"


def test_settling_tells_what_is_missing_and_what_is_not_whole():
    write(b"whole")
    write(b"cut short", name=OTHER)

    assert storage.settle(7, {NAME: 5, OTHER: 9}) == []
    assert storage.settle(7, {NAME: 5, OTHER: 10}) == [OTHER]
    assert storage.settle(7, {NAME: 5, "a.ndjson": 1}) == ["a.ndjson"]


def test_settling_a_job_of_which_nothing_is_there():
    assert storage.settle(8, {}) == []
    assert storage.settle(8, {NAME: 5}) == [NAME]


def test_what_is_removed_is_gone_and_may_be_gone_already():
    write()
    write(name=OTHER)

    storage.remove(7, NAME)
    storage.remove(7, NAME)

    for look in (read, lambda: storage.sha256(7, NAME)):
        with pytest.raises(FileNotFoundError):
            look()
    assert read(name=OTHER) == CONTENT


def test_all_files_of_a_job_are_removed_and_those_of_the_next_stay():
    write()
    write(name=OTHER)
    write(b"a neighbour's", job_id=71)

    storage.remove_all(7)
    storage.remove_all(7)

    assert storage.settle(7, {NAME: len(CONTENT), OTHER: len(CONTENT)}) == [NAME, OTHER]
    assert read(71) == b"a neighbour's"


def test_who_reads_on_has_the_whole_file_although_it_is_removed():
    write(SEVERAL_PARTS)
    file = storage.opened(7, NAME)
    beginning = file.read(MEGABYTE)

    storage.remove_all(7)

    assert beginning + file.read() == SEVERAL_PARTS
    file.close()
    with pytest.raises(FileNotFoundError):
        read()


def test_what_can_be_no_name_of_ours_is_refused_before_anything_is_touched(tmp_path):
    names = ["../8/a.ndjson", "..", ".", "", ".hidden", "a/b", "/etc/passwd", "a\0b", "a\nb", "a%2fb", "ä", "x" * 200]

    for name in names:
        for use in (read, storage.remove, storage.sha256):
            with pytest.raises(SuspiciousFileOperation):
                use(7, name)
        with pytest.raises(SuspiciousFileOperation), storage.writing(7, name):
            raise AssertionError(f"the block was entered for {name!r}")

    assert list(tmp_path.rglob("*")) == []


def test_a_job_is_a_number():
    with pytest.raises(ValueError, match="format code"):
        write(job_id="../7")


def test_reading_and_writing_take_little_memory_whatever_the_size(place):
    write()  # what is loaded at the first use
    tracemalloc.start()

    write(MANY_PARTS)
    written = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    file = storage.opened(7, NAME)
    while file.read(MEGABYTE):
        pass
    file.close()
    read_peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # An upload holds four parts of 8 MB at a time.
    assert written < (8 * MEGABYTE if place == "disk" else 60 * MEGABYTE)
    assert read_peak < 8 * MEGABYTE
