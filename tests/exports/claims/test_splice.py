import gzip
import random
import zlib

import pytest

from exports.claims import splice


def spliced(texts: list[bytes]) -> bytes:
    file = bytearray()
    making = splice.Splice(file.extend)
    for text in texts:
        making.add(splice.deflate(text, text.count(b"\n")))
    making.finish()
    assert making.stored_length == len(file)
    return bytes(file)


@pytest.mark.parametrize("seed", range(20))
def test_bodies_joined_are_one_ordinary_gzip_member(seed):
    chance = random.Random(seed)
    lines = [chance.randbytes(chance.randrange(1, 5_000)).hex().encode() + b"\n" for _ in range(200)]
    texts = [b"".join(chance.sample(lines, chance.randrange(1, 9))) for _ in range(chance.randrange(1, 30))]

    file = spliced(texts)

    member = zlib.decompressobj(wbits=31)
    assert member.decompress(file) == b"".join(texts)
    assert member.eof
    assert member.unused_data == b""
    assert gzip.decompress(file) == b"".join(texts)


def test_no_bodies_are_an_empty_file():
    assert gzip.decompress(spliced([])) == b""


def test_a_body_remembers_what_is_in_it():
    body = splice.deflate(b'{"id":"1"}\n{"id":"2"}\n', 2)

    assert (body.resource_count, body.raw_length) == (2, 22)
    assert body.crc32 == zlib.crc32(b'{"id":"1"}\n{"id":"2"}\n')
    assert splice.inflate(body.deflated) == b'{"id":"1"}\n{"id":"2"}\n'


def test_the_same_bodies_make_the_same_file():
    assert spliced([b"a\n", b"b\n"]) == spliced([b"a\n", b"b\n"])


def test_a_flipped_bit_is_noticed():
    file = bytearray(spliced([b"some claims\n" * 100]))
    file[-12] ^= 1

    with pytest.raises((zlib.error, OSError, EOFError)):
        gzip.decompress(bytes(file))
