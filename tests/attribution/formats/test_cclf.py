"""What the parser makes of good archives, and of those that were made to hurt."""

import io
import random
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import BinaryIO

import pytest

from attribution import validation
from attribution.formats import FORMATS
from attribution.formats.base import Promise, Roster, Row, UnreadableRoster
from attribution.formats.cclf import archive as reading
from attribution.problems import Problem
from credentials.problem_list import ProblemList
from tests.attribution.archives import (
    CCLF0,
    CCLF8,
    MBIS,
    NAME,
    REAL_A0001,
    REAL_A9988,
    archive,
    counts,
    records,
    zip64,
    zipped,
)

CCLF = FORMATS["cclf"]


def opened(file: BinaryIO, name: str = NAME) -> Roster:
    """An archive, opened for the organization in its name."""
    label = CCLF.label(name, file)
    return CCLF.open(file, label, entity_id=label.entity_id, program="SSP")


def read(file: io.BytesIO, name: str = NAME) -> list[str]:
    """The MBIs of an archive."""
    return [row.mbi for row in opened(file, name).rows()]


def refusal(file: io.BytesIO, name: str = NAME) -> str:
    """The problem for which an archive cannot be read."""
    with pytest.raises(UnreadableRoster) as raised:
        read(file, name)
    return str(raised.value.problem)


@pytest.mark.parametrize(("path", "count"), [(REAL_A0001, 7), (REAL_A9988, 6)])
def test_real_archives_are_read(path, count: int) -> None:
    with path.open("rb") as file:
        roster = opened(file, path.name)
        rows = list(roster.rows())

    assert roster.file == path.name.replace("ZCY", "ZC8Y").replace("T1000000", "T1000009")
    assert (roster.promise, roster.record_length) == (Promise(count, "CCLF0"), 549)
    assert [(row.line, row.column) for row in rows] == [(line, 1) for line in range(1, count + 1)]
    assert rows[0].mbi == "1A69B98CD30"


@pytest.mark.parametrize(
    "content",
    [
        records(MBIS[:2]),
        records(MBIS[:2]).replace(b"\n", b"\r\n"),
        records(MBIS[:2]).rstrip(),
        records(MBIS[:2]).replace(b" ", b""),
    ],
    ids=["lines end in LF", "in CRLF", "the last line has no end", "short lines"],
)
def test_lines_end_as_they_like(content: bytes) -> None:
    assert read(zipped({CCLF0: counts(2), CCLF8: content})) == list(MBIS[:2])


def test_the_other_files_of_an_archive_and_folders_do_not_matter() -> None:
    others = {
        CCLF8.replace("ZC8", "ZC9"): b"xref",
        CCLF8.replace("ZC8", "ZCA"): b"\xff\x00",
        "readme.txt": b"hello",
        f"__MACOSX/._{CCLF8}": b"a Macintosh was here",
        "a/folder/": b"",
    }

    file = zipped({f"../../etc/{CCLF8}": records(MBIS[:1]), f"C:\\x\\{CCLF0}": counts(1), **others})

    assert read(file) == [MBIS[0]]


def test_a_stored_archive_is_read_like_a_deflated_one() -> None:
    assert read(zipped({CCLF0: counts(1), CCLF8: records(MBIS[:1])}, zipfile.ZIP_STORED)) == [MBIS[0]]


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06", b"\x1f\x8b" + bytes(100)])
def test_what_is_no_zip_is_refused(content: bytes) -> None:
    assert re.search(
        r"^T\.BCD.*: The archive is damaged or incomplete: .*\. Send the file again", refusal(io.BytesIO(content))
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_an_archive_that_was_cut_short_is_refused(share: float) -> None:
    whole = archive().getvalue()

    assert "damaged or incomplete" in refusal(io.BytesIO(whole[: int(len(whole) * share)]))


def test_a_flipped_byte_in_the_records_is_noticed() -> None:
    content = bytearray(zipped({CCLF8: records(MBIS), CCLF0: counts(20)}, zipfile.ZIP_STORED).getvalue())
    place = content.index(b"1S00A00AA07")
    content[place + 10] ^= 1

    assert "Bad CRC-32" in refusal(io.BytesIO(bytes(content)))


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({CCLF8: records(MBIS)}, r"CCLF0 is missing: no file .* has a name like T\.BCD\.A9994\.ZC0Y26"),
        ({CCLF0: counts(1)}, r"CCLF8 is missing: no file .* has a name like T\.BCD\.A9994\.ZC8Y26"),
        ({}, "CCLF0 is missing"),
        ({CCLF0: counts(1), CCLF8: b"", CCLF8[:-1] + "5": b""}, "has CCLF8 twice"),
        ({CCLF0: counts(1), f"copy/{CCLF0}": counts(2), CCLF8: b""}, "has CCLF0 twice"),
        ({CCLF0: counts(1), "T.A9994.ZC8Y26.D261101.T1000000": b""}, "wrong name"),
        ({CCLF0: counts(1), CCLF8.replace("A9994", "A9995"): b""}, "organization in the name is BCD.A9995"),
        ({CCLF0: counts(1), CCLF8.replace("T.BCD", "P.BCD"): b""}, "environment in the name is production"),
        ({CCLF0: counts(1), CCLF8.replace("Y26", "Y25"): b""}, "performance year in the name is 2025"),
    ],
)
def test_an_archive_without_just_the_right_two_files_is_refused(members: dict[str, bytes], said: str) -> None:
    assert re.search(said, refusal(zipped(members)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "CCLF8 is listed 0 times"),
        (counts(1).replace(b"CCLF8", b"CCLF7"), "CCLF8 is listed 0 times"),
        (counts(1) + b"\n" + counts(1), "CCLF8 is listed 2 times"),
        (counts("many"), "1000001:3:1: The line for CCLF8 must have a name"),
        (counts(-1), "The line for CCLF8 must have a name"),
        (b"CCLF8|7|549", "The line for CCLF8 must have a name"),
        (counts(1, 10), "record length of CCLF8 is 10. It must be 11 to 4,000"),
        (counts(1, 99999), "record length of CCLF8 is 99,999"),
        (counts(1).replace(b"\n", b"\r"), "CCLF8 is listed 0 times"),
    ],
)
def test_a_cclf0_that_says_nothing_clear_is_refused(content: bytes, said: str) -> None:
    assert said in refusal(zipped({CCLF0: content, CCLF8: records(MBIS[:1])}))


# --- Lines ----------------------------------------------------------------------------------------------------------


def rows_of(*lines: bytes) -> list[Row | Problem]:
    return list(opened(zipped({CCLF0: counts(len(lines)), CCLF8: b"\n".join(lines)})).rows())


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        (b"", 1, "empty"),
        (b"     ", 1, "empty"),
        (b"\xef\xbb\xbf1S00A00AA00", 1, "0xEF is not a printable ASCII"),
        (b"1S00A00\x00A00", 8, "0x00"),
        (b"1S00A\t0AA00", 6, "0x09"),
        (b"1S00A00AA00" + b"x" * 539, 550, "longer than the 549 characters that CCLF0 states"),
        (b"1S00A00AA00" + b" " * 538 + b"\r1S00A00AA01", 550, "longer than the 549"),
    ],
)
def test_a_line_that_is_no_record_is_told_with_its_place(line: bytes, column: int, said: str) -> None:
    good, bad, last = rows_of(b"1S00A00AA00", line, b"1S00A00AA02")

    assert (good.mbi, last.mbi) == ("1S00A00AA00", "1S00A00AA02")
    assert (bad.line, bad.column) == (2, column)
    assert said in bad.reason
    assert "1S00A00" not in str(bad)


@pytest.mark.parametrize("rest", [b"Pe\xf1a", "Peña".encode(), b"\x00", b"\t", b" " * 600])
def test_what_stands_behind_the_mbi_is_not_used_and_so_is_never_wrong(rest: bytes) -> None:
    assert [row.mbi for row in rows_of(b"1S00A00AA00" + rest)] == ["1S00A00AA00"]


# --- Made to hurt ---------------------------------------------------------------------------------------------------


def test_a_zip_bomb_is_refused_by_its_ratio_before_it_is_inflated() -> None:
    bomb = zipped({CCLF0: counts(1), CCLF8: bytes(8 * 2**20)})

    assert "more than 300 times" in refusal(bomb)


def test_a_file_that_declares_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BENEFICIARIES_BYTES_AT_MOST", 100)

    assert "has 760 bytes. The limit is 100." in refusal(zipped({CCLF0: counts(20), CCLF8: records(MBIS)}))


def test_a_large_cclf0_is_refused() -> None:
    padded = counts(1) + random.Random(1).randbytes(2**17)

    assert "The limit is 65,536" in refusal(zipped({CCLF0: padded, CCLF8: records(MBIS[:1])}))


def test_a_bomb_that_declares_little_is_cut_at_what_it_declares() -> None:
    content = zipped({CCLF0: counts(1), CCLF8: records(MBIS[:1]) + bytes(2**22)}).getvalue()
    lie = content.replace(struct.pack("<I", 2**22 + 38), struct.pack("<I", 38))
    assert lie != content

    assert "Bad CRC-32" in refusal(io.BytesIO(lie))


def test_a_file_that_declares_more_than_it_holds_is_refused() -> None:
    content = zipped({CCLF0: counts(1), CCLF8: records(MBIS[:1])}).getvalue()
    lie = content.replace(struct.pack("<I", 38), struct.pack("<I", 39))
    assert lie != content

    assert "declares 39 bytes but has 38" in refusal(io.BytesIO(lie))


def test_too_many_files_are_refused() -> None:
    assert "has 101 files" in refusal(zipped({f"file {number}": b"" for number in range(101)}))


def test_a_directory_that_would_fill_the_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_AT_ONCE_AT_MOST", 2**17)
    content = zipped({f"{number:0200}": b"" for number in range(1000)})

    assert "its directory would take" in refusal(content)


def test_an_encrypted_file_is_refused() -> None:
    content = bytearray(archive().getvalue())
    place = content.rindex(b"PK\x01\x02")
    content[place + 8] |= 0x1

    assert "encrypted. Send the archive without a password" in refusal(io.BytesIO(bytes(content)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_file_compressed_in_another_way_is_refused(method: int) -> None:
    assert "Use deflate (8)." in refusal(zipped({CCLF0: counts(1), CCLF8: records(MBIS[:1])}, method))


def test_a_line_without_end_is_not_taken_into_memory() -> None:
    noise = random.Random(1).randbytes(3 * 2**20).replace(b"\n", b"x")
    content = records(MBIS[:1]) + noise + b"\n" + records(MBIS[1:2])

    roster = opened(zipped({CCLF0: counts(3), CCLF8: content}, zipfile.ZIP_STORED))

    tracemalloc.start()
    rows = list(roster.rows())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [row.line for row in rows] == [1, 2, 3]
    assert isinstance(rows[1], Problem)
    assert rows[2].mbi == MBIS[1]
    assert most < 2**20


@pytest.mark.parametrize("offset", [2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**40, 10**6])
@pytest.mark.parametrize("of_second", [False, True])
def test_an_offset_beyond_the_file_is_refused(tmp_path: Path, offset: int, *, of_second: bool) -> None:
    path = tmp_path / NAME
    path.write_bytes(zip64(offset, of_second=of_second))

    # A file on a disk cannot be asked for such a place; one in memory does not mind.
    with path.open("rb") as file:
        assert "is not where it should be" in refusal(file)
    assert "is not where it should be" in refusal(io.BytesIO(path.read_bytes()))


def test_files_that_overlap_are_not_both_read() -> None:
    content = archive(mbis=MBIS).getvalue()
    first, second = (match.start() for match in re.finditer(rb"PK\x01\x02", content))
    overlapping = bytearray(content)
    overlapping[second + 42 : second + 46] = content[first + 42 : first + 46]

    assert "The archive is damaged or incomplete" in refusal(io.BytesIO(overlapping))


@pytest.mark.parametrize(
    "error",
    [
        OSError(22, "Invalid argument"),
        OverflowError("Python int too large"),
        MemoryError(),
        NotImplementedError("zip file version 25.5"),
        RuntimeError("password required"),
        zipfile.LargeZipFile("x" * 9999),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        KeyError("no item"),
        RecursionError(),
    ],
)
@pytest.mark.parametrize("method", ["__init__", "open", "read", "infolist"])
def test_whatever_the_library_raises_is_a_refusal_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, error: Exception, method: str
) -> None:
    def fail(*args, **options) -> None:
        raise error

    good = archive()
    monkeypatch.setattr(zipfile.ZipFile, method, fail)

    said = refusal(good)

    assert "The archive is damaged or incomplete: " in said
    assert (str(error).rstrip(".")[:300] or type(error).__name__) in said
    assert len(said) < 600


def test_no_broken_archive_escapes_as_another_exception(tmp_path: Path) -> None:
    dice = random.Random(20261122)
    for number in range(4000):
        broken = bytearray(archive(mbis=MBIS).getvalue() if number % 4 else zip64(dice.choice((0, 99, 2**62))))
        for _ in range(dice.choice((1, 1, 3))):
            place = dice.randrange(len(broken))
            what = dice.random()
            if what < 0.6:
                broken[place] = dice.choice((0, 1, 255, dice.randrange(256)))
            elif what < 0.7:
                extreme = dice.choice((0, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1))
                broken[place : place + 8] = struct.pack("<Q", extreme)
            elif what < 0.85:
                del broken[place : place + dice.randrange(1, 30)]
            else:
                broken[place:place] = dice.randbytes(dice.randrange(1, 20))
        path = tmp_path / NAME
        path.write_bytes(broken)
        problems = ProblemList()

        try:
            with path.open("rb") as file:
                roster = opened(file)
                mbis = [row.mbi for row in validation.good_rows(roster, problems, ProblemList())]
        except UnreadableRoster:
            continue

        assert problems or mbis == list(MBIS)
