"""The settings of workers in tests of faults: what is periodic comes soon, and they copy at a pace (see pace.py)."""

import datetime as dt

from portal.settings import *  # noqa: F403
from portal.settings import CELERY_BEAT_SCHEDULE, env

CELERY_INCLUDE = ["tests.journeys.processes.pace"]
CELERY_BEAT_SCHEDULE["recover exports"]["schedule"] = dt.timedelta(seconds=env.float("TEST_RECOVERY_SECONDS"))
CELERY_BEAT_SCHEDULE["expire exports"]["schedule"] = dt.timedelta(seconds=1)
# Whole minutes in a deployment, which no test can wait for.
CELERY_TASK_SOFT_TIME_LIMIT = env.int("TEST_TASK_SECONDS")
CELERY_TASK_TIME_LIMIT = CELERY_TASK_SOFT_TIME_LIMIT + 2
