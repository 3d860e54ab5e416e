"""One entry in each registry, as an app in EXTRA_APPS would add them. The journeys in tests/journeys/toys use them."""

from django.apps import AppConfig

from attribution.formats import FORMATS
from credentials.programs import PROGRAMS
from exports.versions import VERSIONS
from tests.toys import program, roster_format, version


class ToysConfig(AppConfig):
    name = "tests.toys"
    label = "toys"

    def ready(self) -> None:
        # The registries' modules need the models.
        from attribution.cohorts import COHORT_RULES  # noqa: PLC0415
        from exports.sources import SOURCES  # noqa: PLC0415
        from tests.toys import cohort, source  # noqa: PLC0415

        COHORT_RULES.add(cohort.RULE)
        FORMATS.add(roster_format.FORMAT)
        PROGRAMS.add(program.PROGRAM)
        SOURCES.add(source.SOURCE)
        VERSIONS.add(version.VERSION)
