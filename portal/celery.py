"""The Celery application; a worker is started with `celery --app portal worker`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("claimsgate")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
