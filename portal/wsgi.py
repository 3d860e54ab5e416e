"""The application as gunicorn serves it."""

import logging
import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters

from portal import postgresql
from portal.redaction import RedactionFilter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")


class Request(WSGIRequest):
    """A request whose text is UTF-8, whatever charset it claims, since JSON and forms always are (RFC 8259, WHATWG).

    Django decodes even the query in that charset before any view runs. A charset that isn't text (`zlib`, `rot13`)
    would raise an error that nothing handles.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:  # a parameter in an unknown encoding (RFC 2231)
            self.content_type, self.content_params = "", {}


class Application(WSGIHandler):
    request_class = Request


django.setup(set_prefix=False)
application = Application()
postgresql.share_connections()

# gunicorn's loggers have their own handlers, which the settings don't reach, and log paths with anything in them.
for name in ("gunicorn.access", "gunicorn.error"):
    logging.getLogger(name).addFilter(RedactionFilter())
