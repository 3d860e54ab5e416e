from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


class ExportsConfig(AppConfig):
    name = "exports"
    verbose_name = "Exports"

    def ready(self) -> None:
        from attribution.loading.rollback import CONSEQUENCES  # noqa: PLC0415  # it needs the models
        from exports.kickoff import WITHDRAWAL  # noqa: PLC0415  # it needs the models

        register(known_source)
        CONSEQUENCES.add(WITHDRAWAL)


def known_source(**_: Any) -> list[CheckMessage]:
    """Check that the source of new jobs is there."""
    from exports.sources import SOURCES  # noqa: PLC0415  # it needs the models

    if settings.EXPORT_SOURCE in SOURCES:
        return []
    names = ", ".join(source.name for source in SOURCES)
    return [
        Error(
            f"EXPORT_SOURCE is {settings.EXPORT_SOURCE!r}, which is no source of claims.",
            hint=f"Use one of: {names}. A source of your own needs its app in EXTRA_APPS.",
            id="claimsgate.E021",
        )
    ]
