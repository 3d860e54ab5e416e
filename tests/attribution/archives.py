"""CCLF archives for the tests, made by hand so that anything in them can be wrong."""

import io
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

DATA = Path(__file__).with_name("data")
REAL_A0001 = DATA / "T.BCD.A0001.ZCY18.D181120.T1000000"
REAL_A9988 = DATA / "T.BCD.A9988.ZCY18.D181120.T1000000"

NAME = "P.BCD.A9994.ZCY26.D261101.T1000000"
CCLF0 = "P.BCD.A9994.ZC0Y26.D261101.T1000001"
CCLF8 = "P.BCD.A9994.ZC8Y26.D261101.T1000002"
MBIS = tuple(f"1S00A00AA{number:02}" for number in range(20))


def counts(count: int | str, length: int | str = 549) -> bytes:
    """A CCLF0 that says so many records of such a length."""
    return (
        "File Number  |File Description    |Total Records Count |Record Length\n"
        "CCLF1  |Part A Claims Header File                  |          6|  292\n"
        f"CCLF8  |Beneficiary Demographics File              |{count:>11}|{length:>5}\n"
        "CCLF9  |BENE XREF File                             |          6|   54"
    ).encode()


def records(mbis: Sequence[str], detail: str = "") -> bytes:
    """A CCLF8 of these MBIs."""
    return b"".join(f"{mbi:11}{detail:26}\n".encode() for mbi in mbis)


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made


def archive(name: str = NAME, mbis: Sequence[str] = MBIS[:3], detail: str = "") -> io.BytesIO:
    """A good archive of a name, of the Shared Savings Program or of another."""
    environment, _, entity_id, kind, date, time = name.split(".")
    owner = f"BCD.{entity_id}" if entity_id.startswith("A") else f"{entity_id}.ACO"
    return zipped(
        {
            f"{environment}.{owner}.ZC{number}{kind[2:]}.{date}.{time}": content
            for number, content in (("0", counts(len(mbis))), ("8", records(mbis, detail)))
        }
    )


def zip64(offset: int, *, of_second: bool = True, padding: bytes = b"") -> bytes:
    """An archive whose directory says where a file begins as zip64 does, in an extra field; `padding` is a third."""
    whole = archive(mbis=MBIS)
    with zipfile.ZipFile(whole, "a") as longer:
        longer.writestr("padding", padding)
    content = bytearray(whole.getvalue())
    place = [match.start() for match in re.finditer(rb"PK\x01\x02", content)][of_second]
    extra = struct.pack("<HHQ", 1, 8, offset)
    (name_length,) = struct.unpack_from("<H", content, place + 28)
    content[place + 42 : place + 46] = b"\xff" * 4
    content[place + 30 : place + 32] = struct.pack("<H", len(extra))
    content[place + 46 + name_length : place + 46 + name_length] = extra
    end = content.rindex(b"PK\x05\x06")
    (length,) = struct.unpack_from("<I", content, end + 12)
    struct.pack_into("<I", content, end + 12, length + len(extra))
    return bytes(content)
