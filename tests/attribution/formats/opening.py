"""CCLF archives, opened as loading opens them."""

import io
from typing import BinaryIO

import pytest

from attribution.formats import FORMATS
from attribution.formats.base import Roster, UnreadableRoster
from tests.attribution.archives import NAME

CCLF = FORMATS["cclf"]


def opened(file: BinaryIO, name: str = NAME, program: str = "SSP") -> Roster:
    """An archive, opened for the organization in its name."""
    label = CCLF.label(name, file)
    return CCLF.open(file, label, entity_id=label.entity_id, program=program)


def read(file: io.BytesIO, name: str = NAME, program: str = "SSP") -> list[str]:
    """The MBIs of an archive."""
    return [row.mbi for row in opened(file, name, program).rows()]


def refusal(file: io.BytesIO, name: str = NAME) -> str:
    """The problem for which an archive cannot be read."""
    with pytest.raises(UnreadableRoster) as raised:
        read(file, name)
    return str(raised.value.problem)
