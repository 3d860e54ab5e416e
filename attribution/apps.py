from django.apps import AppConfig


class AttributionConfig(AppConfig):
    name = "attribution"
    verbose_name = "Attribution"

    def ready(self) -> None:
        from attribution.loading.rollback import CONSEQUENCES  # noqa: PLC0415  # it needs the models
        from attribution.loading.runouts import MADE_FROM_IT  # noqa: PLC0415  # it needs the models

        CONSEQUENCES.add(MADE_FROM_IT)
