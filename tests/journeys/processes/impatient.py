"""The settings of servers whose pool soon closes the connections that it does not need."""

from portal.settings import *  # noqa: F403
from portal.settings import DATABASE_POOL

DATABASE_POOL["max_idle"] = 1
