"""What the parser makes of good archives, and of those that were made to hurt."""

import io
import random
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from attribution import validation
from attribution.formats.base import Promise, UnreadableRoster
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
from tests.attribution.formats.opening import opened, read, refusal


@pytest.mark.parametrize(("path", "count"), [(REAL_A0001, 7), (REAL_A9988, 6)])
def test_real_archives_are_read(path, count: int) -> None:
    with path.open("rb") as file:
        roster = opened(file, path.name)
        rows = list(roster.rows())

    assert roster.file == path.name.replace("ZCY", "ZC8Y").replace("T1000000", "T1000009")
    assert (roster.promise, roster.record_length) == (Promise(count, "CCLF0"), 549)
    assert [(row.line, row.column) for row in rows] == [(line, 1) for line in range(1, count + 1)]
    assert rows[0].mbi == "1A69B98CD30"


def test_the_other_files_of_an_archive_and_folders_do_not_matter() -> None:
    others = {
        CCLF8.replace("ZC8", "ZC9"): b"xref",
        CCLF8.replace("ZC8", "ZCA"): b"\xff\x00",
        "readme.txt": b"hello",
        f"__MACOSX/._{CCLF8}": b"a Macintosh was here",
        "a/folder/": b"",
    }

    file = zipped({f"a/folder/{CCLF8}": records(MBIS[:1]), f"another\\..one\\{CCLF0}": counts(1), **others})

    assert read(file) == [MBIS[0]]


@pytest.mark.parametrize("path", ["../../etc/", "/", "C:\\x\\", "c:", "\\\\server\\", "a/../../", "a\\..\\"])
@pytest.mark.parametrize("name", [CCLF8, "readme.txt"])
def test_a_path_to_outside_the_archive_is_refused(path: str, name: str) -> None:
    members = {CCLF0: counts(1), CCLF8: records(MBIS[:1]), f"{path}{name}": records(MBIS[:1])}

    assert "A file in the archive has a path to outside it" in refusal(zipped(members))


def test_an_archive_in_an_archive_is_told() -> None:
    said = refusal(zipped({f"{NAME}.zip": archive().getvalue()}))

    assert "CCLF0 is missing" in said
    assert f"There is another archive in it: '{NAME}.zip'. Load that." in said


@pytest.mark.parametrize(
    ("outside", "inside", "program"),
    [
        ("P.BCD.A9994.ZCY26", "P.BCD.A9994", "SSP"),
        ("P.BCD.A9994.ZCY26", "P.A9994.ACO", "SSP"),
        ("P.A9994.ACO.ZCY26", "P.BCD.A9994", "SSP"),
        ("P.A9994.ACO.ZCY26", "P.A9994.ACO", "SSP"),
        ("P.D9990.ACO.ZCR25", "P.D9990.ACO", "REACH"),
        ("P.D9990.ACO.ZCY26", "P.BCD.D9990", "REACH"),
        ("P.BCD.V990.ZCY26", "P.V990.ACO", "NGACO"),
        ("P.BCD.IOTA990.ZCY26", "P.IOTA990.PRT", "IOTA"),
        ("P.IOTA990.PRT.ZCY26", "P.IOTA990.ACO", "IOTA"),
        ("P.BCD.E9990.ZCY26", "P.CEC", "CEC"),
        ("P.E9990.ACO.ZCY26", "P.E9990.ACO", "CEC"),
        ("P.TEST990.ACO.ZCY26", "P.BCD.TEST990", "TEST"),
    ],
)
def test_both_spellings_of_an_organization_are_read_outside_and_inside(outside: str, inside: str, program: str) -> None:
    moment = "D260211.T1435560"
    members = {
        f"{inside}.ZC{number}{outside[-3:]}.{moment}": content
        for number, content in (("0", counts(1)), ("8", records(MBIS[:1])), ("9", b"xref"), ("A", b""))
    }

    assert read(zipped(members), f"{outside}.{moment}.zip", program) == [MBIS[0]]


def test_files_that_name_a_program_are_only_of_that_program() -> None:
    members = {f"T.CEC.ZC{number}Y26.D261101.T1000000": counts(1) for number in "08"}

    assert "organization in the name is CEC, but in the archive's name it is A9994" in refusal(zipped(members))


def test_a_stored_archive_is_read_like_a_deflated_one() -> None:
    assert read(zipped({CCLF0: counts(1), CCLF8: records(MBIS[:1])}, zipfile.ZIP_STORED)) == [MBIS[0]]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"not a zip", "File is not a zip file"),
        (b"PK\x05\x06", "the download broke off at 4 bytes"),
        (archive().getvalue()[:300], "the download broke off at 300 bytes"),
        (b"\x1f\x8b" + bytes(100), "it was compressed with gzip"),
        (b"\r\n<!DOCTYPE html>", "it is a web page. You were probably signed out of the portal of CMS"),
        ("\ufeffMBI\n".encode("utf-16"), "File is not a zip file"),
    ],
)
def test_what_is_no_zip_is_refused_with_its_likely_cause(content: bytes, why: str) -> None:
    said = refusal(io.BytesIO(content))

    assert re.search(
        rf"^P\.BCD.*: The archive is damaged or incomplete: {re.escape(why)}.*\. Download it again from CMS", said
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
        ({CCLF8: records(MBIS)}, r"CCLF0 is missing: no file .* has a name like P\.BCD\.A9994\.ZC0Y26"),
        ({CCLF0: counts(1)}, r"CCLF8 is missing: no file .* has a name like P\.BCD\.A9994\.ZC8Y26"),
        ({}, "CCLF0 is missing"),
        ({CCLF0: counts(1), CCLF8: b"", CCLF8[:-1] + "5": b""}, "has CCLF8 twice"),
        ({CCLF0: counts(1), f"copy/{CCLF0}": counts(2), CCLF8: b""}, "has CCLF0 twice"),
        ({CCLF0: counts(1), "T.A9994.ZC8Y26.D261101.T1000000": b""}, "wrong name"),
        ({CCLF0: counts(1), CCLF8.replace("A9994", "A9995"): b""}, "organization in the name is A9995"),
        ({CCLF0: counts(1), CCLF8.replace("P.BCD", "T.BCD"): b""}, "environment in the name is test"),
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
        (counts(1).replace(b"|  549", b"|  549|7"), "The line for CCLF8 must have a name"),
        (b"CCLF8|7|549|", "The line for CCLF8 must have a name"),
        (b"CCLF8|7|549", "The line for CCLF8 must have a name"),
        (counts(1, 10), "record length of CCLF8 is 10. It must be 11 to 4,000"),
        (counts(1, 99999), "record length of CCLF8 is 99,999"),
        (counts(1).replace(b"\n", b"\r"), "CCLF8 is listed 0 times"),
    ],
)
def test_a_cclf0_that_says_nothing_clear_is_refused(content: bytes, said: str) -> None:
    assert said in refusal(zipped({CCLF0: content, CCLF8: records(MBIS[:1])}))


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

    said = refusal(content)

    assert "its directory would take" in said
    assert "the download broke off" not in said


def test_an_encrypted_file_is_refused() -> None:
    content = bytearray(archive().getvalue())
    place = content.rindex(b"PK\x01\x02")
    content[place + 8] |= 0x1

    assert "encrypted. Load the archive without a password" in refusal(io.BytesIO(bytes(content)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_file_compressed_in_another_way_is_refused(method: int) -> None:
    assert "CMS uses deflate (8)." in refusal(zipped({CCLF0: counts(1), CCLF8: records(MBIS[:1])}, method))


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
