"""CCLF archives, which CMS sends to ACOs every month: a zip with one record for each beneficiary, and its counts."""

from typing import BinaryIO

from attribution.formats.base import Label
from attribution.formats.cclf import archive, names


class Cclf:
    """The name says everything but who is on the roster. The archive's own files must say the same."""

    code = "cclf"
    name = "a CCLF archive"
    expected = f"the name of a CCLF archive, for example {names.EXAMPLE}. Use the name that CMS gave the file."

    def advice(self, entity_id: str) -> str:
        return (
            f"The CCLF archive, with the name that CMS gave it. For example: P.BCD.{entity_id}.ZCY26.D261101.T1000000."
        )

    def recognizes(self, file_name: str, first_bytes: bytes) -> bool:  # noqa: ARG002  # the format's call
        """Return True by the name alone: what it contains may be damaged, and then the archive says how."""
        return names.is_archive(file_name)

    def label(self, file_name: str, file: BinaryIO) -> Label:  # noqa: ARG002  # the format's call
        return names.archive(file_name)

    def open(self, file: BinaryIO, label: Label, *, entity_id: str, program: str) -> archive.CclfRoster:  # noqa: ARG002
        return archive.open_archive(file, label, program=program)
