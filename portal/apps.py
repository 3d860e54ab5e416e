from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

from portal import celery  # noqa: F401  # loaded with Django, so every task belongs to this application


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        from portal import checks, sign_in_checks  # noqa: F401, PLC0415  # registers them; Django's way


class AdministrationConfig(AdminConfig):
    """Django's administration, with the portal's sign-in."""

    default_site = "portal.administration.Administration"
