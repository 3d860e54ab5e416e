"""Claimsgate's settings with one URL more."""

from portal.settings import *  # noqa: F403  # all of them

ROOT_URLCONF = "tests.benchmarks.constant"
