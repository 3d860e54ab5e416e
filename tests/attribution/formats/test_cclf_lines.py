"""What the parser makes of the lines of CCLF8 and CCLF0: each is a record, is told with its place, or is none."""

import tracemalloc

import pytest

from attribution.formats.base import Row, UnreadableRoster
from attribution.problems import Problem
from tests.attribution.archives import CCLF0, CCLF8, MBIS, counts, records, zipped
from tests.attribution.formats.opening import opened, read


@pytest.mark.parametrize(
    "content",
    [
        records(MBIS[:2]),
        records(MBIS[:2]).replace(b"\n", b"\r\n"),
        records(MBIS[:2])[:-1],
        records(MBIS[:2]).replace(b" ", b""),
        records(MBIS[:2]) + b"\n",
        records(MBIS[:2]) + b"\r\n   \r\n\r\n",
        records(MBIS[:2]) + b"\x1a",
        records(MBIS[:2]).replace(b"\n", b"\r\n") + b"\x1a" * 100,
        records(MBIS[:2])[:-1] + b"\x1a",
        records(MBIS[:1], "X" * 26) + records(MBIS[1:2]).rstrip() + b"\x1a",
        records(MBIS[:1], "X" * 26) + records(MBIS[1:2]).rstrip() + b"\r\n",
    ],
    ids=[
        *("lines end in LF", "in CRLF", "the last line has no end", "short lines", "an empty last line"),
        *("blank last lines", "0x1A on a line", "many 0x1A", "0x1A after the last record"),
        *("a shorter last line with 0x1A", "a shorter last line with an end"),
    ],
)
def test_lines_end_as_they_like(content: bytes) -> None:
    assert read(zipped({CCLF0: counts(2), CCLF8: content})) == list(MBIS[:2])


def rows_of(*lines: bytes) -> list[Row | Problem]:
    return list(opened(zipped({CCLF0: counts(len(lines)), CCLF8: b"\n".join(lines)})).rows())


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        (b"", 1, "empty, but records follow it"),
        (b"     ", 1, "empty, but records follow it"),
        (b"\x1a", 1, "empty, but records follow it"),
        (b"1S00A00AA00" + b" " * 5000 + b"1S00A00AA01", 550, "longer than the 549 characters"),
        (b" " * 9000 + b"x", 550, "longer than the 549 characters"),
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


@pytest.mark.parametrize(
    "rest",
    [
        *(b"Pe\xf1a", "Peña".encode(), b"\x00", b"\t", b" " * 600, b" " * 9000),
        *("PEÑA".rjust(538).encode(), "PEÑA".rjust(538).encode("latin-1")),
    ],
)
def test_what_stands_behind_the_mbi_is_not_used_and_so_is_never_wrong(rest: bytes) -> None:
    assert [row.mbi for row in rows_of(b"1S00A00AA00" + rest)] == ["1S00A00AA00"]


@pytest.mark.parametrize(
    ("content", "stated", "where"),
    [
        (records(MBIS[:3])[:-10], 3, (3, 29)),
        (records(MBIS[:3], "Ñ")[:-10], 3, (3, 29)),
        (records(MBIS[:2]) + b"1S00A0", 3, (3, 7)),
        # Of lines with several lengths, the last one is whole if it is the last one stated.
        (records(MBIS[:1]) + b"1S00A00AA01 X\n1S00A00AA02 Y", 4, (3, 14)),
        (b"1S00A00AA00", 2, (1, 12)),
    ],
)
def test_a_last_line_that_was_cut_off_is_told(content: bytes, stated: int, where: tuple[int, int]) -> None:
    *_, last = opened(zipped({CCLF0: counts(stated), CCLF8: content})).rows()

    assert isinstance(last, Problem)
    assert (last.line, last.column) == where
    assert "The last line is cut off" in last.reason
    assert "Download it again" in last.reason
    assert "1S00A0" not in last.reason


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (records(MBIS[:1]) + b"1S00A00AA01 X\n1S00A00AA02 Y", 3),
        (b"1S00A00AA00", 1),
        ((records(MBIS[:1]) + records(MBIS[1:2], "Ñ"))[:-1], 2),
    ],
)
def test_a_last_line_without_end_can_be_whole(content: bytes, count: int) -> None:
    assert read(zipped({CCLF0: counts(count), CCLF8: content})) == list(MBIS[:count])


def test_cclf0_can_have_a_bar_at_the_end_of_its_lines() -> None:
    barred = b"\n".join(line + b"|" for line in counts(2).split(b"\n"))

    assert read(zipped({CCLF0: barred, CCLF8: records(MBIS[:2])})) == list(MBIS[:2])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_text_in_utf_16_is_told_once(encoding: str) -> None:
    content = "\ufeff".encode(encoding)[-2:] + records(MBIS[:3]).decode().encode("utf-16-be")

    with pytest.raises(UnreadableRoster, match="The file is text in UTF-16, which CMS doesn't use"):
        read(zipped({CCLF0: counts(3), CCLF8: content}))


def test_memory_does_not_grow_with_the_file() -> None:
    file = zipped({CCLF0: counts(100_000), CCLF8: records(MBIS[:10] * 10_000)})
    roster = opened(file)

    tracemalloc.start()
    count = sum(1 for _ in roster.rows())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 100_000
    assert most < 2**20
