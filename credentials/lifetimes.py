"""How long things are valid, and how long they are kept. Pure.

What an operator can set (sessions, exports, limits) is in portal/settings.py, with these as neighbors.
"""

import datetime as dt

# --- Valid for ---

SECRET = dt.timedelta(days=90)
OPERATOR_TOKEN = dt.timedelta(days=90)
# As long as BCDA's.
ACCESS_TOKEN = dt.timedelta(minutes=20)
# SMART: tokens of backend services should not be valid longer.
ACCESS_TOKEN_FOR_ASSERTION = dt.timedelta(minutes=5)
ASSERTION = dt.timedelta(minutes=5)
# How far the clock of a client can be off.
CLOCK_LEEWAY = dt.timedelta(seconds=30)
INVITATION = dt.timedelta(hours=48)
PASSWORD_LINK = dt.timedelta(hours=1)
CONFIRMATION_LINK = dt.timedelta(days=1)
# How long a new secret waits for the page that shows it once.
SECRET_TO_BE_SHOWN = dt.timedelta(minutes=5)
# A browser that signed in this recently has its own limit of attempts.
KNOWN_BROWSER = dt.timedelta(days=180)

# --- Reminders ---

# Before a secret expires. 0: it has expired.
SECRET_REMINDERS = tuple(dt.timedelta(days=days) for days in (0, 1, 3, 7, 14, 30))
# Secrets that expired earlier get no reminder: imported ones, or those from before a long outage.
EXPIRED_SECRET_REMINDER = dt.timedelta(days=3)
# When a client or a page says “expires soon”.
EXPIRES_SOON = dt.timedelta(days=14)
OVERLAP_ENDS_SOON = dt.timedelta(hours=24)
UNUSED_CLIENT = dt.timedelta(days=60)
UNUSED_NEW_CLIENT = dt.timedelta(days=7)

# --- Kept for ---

# Long enough that a client with an old token learns that it has expired, not that it never existed.
ENDED_TOKEN = dt.timedelta(days=1)
# An expired invitation can be sent again for this long. Then its email address is deleted.
EXPIRED_INVITATION = dt.timedelta(days=30)
# Mail that couldn't be sent for this long is no longer news, and is not tried again.
UNSENT_MAIL = dt.timedelta(days=7)
# A link that someone asked for and waits for. After this time, they have asked again or given up.
UNSENT_LINK = dt.timedelta(hours=1)
