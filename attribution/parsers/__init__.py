"""The formats of rosters: one file for each format, all with one Protocol (base.py). Pure."""

from collections.abc import Mapping

from attribution.parsers.base import Parser
from attribution.parsers.cclf import open_archive

PARSERS: Mapping[str, Parser] = {"cclf": open_archive}
