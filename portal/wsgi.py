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
    """A request whose text is UTF-8, whatever charset it claims: JSON and forms are nothing else (RFC 8259, WHATWG).

    Django reads even the query in that charset, before anything can be answered: one that is no text (`zlib`,
    `rot13`), or that it cannot read, would end in an error that nobody turns into words.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:  # a parameter in an encoding that there is not (RFC 2231)
            self.content_type, self.content_params = "", {}


class Application(WSGIHandler):
    request_class = Request


django.setup(set_prefix=False)
application = Application()
postgresql.share_connections()

# gunicorn's loggers have handlers of their own, past those of the settings; paths are in its lines, whatever they hold.
for name in ("gunicorn.access", "gunicorn.error"):
    logging.getLogger(name).addFilter(RedactionFilter())
