"""One entry in each registry, as an app in EXTRA_APPS would add them. The journey test_toys.py uses them."""

from django.apps import AppConfig


class ToysConfig(AppConfig):
    name = "tests.toys"
    label = "toys"

    def ready(self) -> None:
        pass
