"""The application as gunicorn serves it."""

import logging
import os

from django.core.wsgi import get_wsgi_application

from portal import postgresql
from portal.redaction import RedactionFilter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = get_wsgi_application()
postgresql.share_connections()

# gunicorn's loggers have handlers of their own, past those of the settings; paths are in its lines, whatever they hold.
for name in ("gunicorn.access", "gunicorn.error"):
    logging.getLogger(name).addFilter(RedactionFilter())
