from django.apps import AppConfig
from django.conf import settings

from credentials.programs import PROGRAMS, TEST


class CredentialsConfig(AppConfig):
    name = "credentials"
    verbose_name = "Credentials"

    def ready(self) -> None:
        if settings.TEST_PROGRAM:
            PROGRAMS.add(TEST)
