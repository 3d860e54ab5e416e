"""The formats of roster files: one file or folder for each, all with one Protocol (base.py). Pure.

A program says which of them its organizations use (credentials/programs.py: roster_formats).
"""

from attribution.formats.base import RosterFormat
from attribution.formats.cclf import Cclf
from attribution.formats.csv_rosters import CsvRosters
from credentials.registry import Registry

FORMATS: Registry[str, RosterFormat] = Registry("roster formats", lambda each: each.code, Cclf(), CsvRosters())
