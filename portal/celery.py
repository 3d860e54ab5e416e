"""The Celery application; a worker is started with `celery --app portal worker`."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import after_setup_logger, after_setup_task_logger

from portal.redaction import RedactionFilter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("claimsgate")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["portal.mail", "portal.sign_in"])


@after_setup_logger.connect
@after_setup_task_logger.connect
def _redact(logger: logging.Logger, **_: Any) -> None:
    """Add redaction to Celery's own log handlers, which the settings don't reach."""
    for handler in logger.handlers:
        handler.addFilter(RedactionFilter())
