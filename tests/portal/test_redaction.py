import logging
import subprocess
import sys

import pytest
from django.conf import settings

from portal.redaction import RedactionFilter, redact


@pytest.mark.parametrize(
    "secret",
    [
        "cgs_" + "0a" * 32,
        "cgt_" + "1b" * 32,
        "cgo_" + "2c" * 32,
        "3d" * 40,
        "eyJhbGciOiJSUzM4NCJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl",
        "1S00A00AA00",
        "1EG4TE5MK73",
        "Basic dXNlcjpwYXNzd29yZA==",
        "Bearer abcdefgh.ijkl-mnop",
    ],
)
def test_secrets_tokens_and_mbis_are_blotted_out(secret):
    assert secret.split()[-1] not in redact(f"before {secret} after")


def test_the_rest_of_a_line_is_kept():
    line = 'GET /api/v2/jobs/42 HTTP/1.1" 200 from 8.8.8.8, client 6f9619ff-8b86-4011-b42d-00c04fc964ff'

    assert redact(line) == line


def look_up(mbi: str) -> None:
    raise ValueError(f"beneficiary {mbi} is unknown")


def test_arguments_and_tracebacks_are_blotted_out_too():
    try:
        look_up("1S00A00AA00")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "token %s", ("cgt_" + "0" * 64,), sys.exc_info())

    RedactionFilter().filter(record)

    text = logging.Formatter().format(record)
    assert "1S00A00AA00" not in text
    assert "cgt_0" not in text
    assert "ValueError" in text


def test_what_gunicorn_writes_is_blotted_out_as_well():
    program = (
        "import logging, portal.wsgi; logging.basicConfig();"
        'logging.getLogger("gunicorn.access").warning("GET %(U)s", {"U": "/cgt_0123456789abcdef"})'
    )

    told = subprocess.run(
        [sys.executable, "-c", program], cwd=settings.BASE_DIR, check=True, capture_output=True, text=True
    ).stderr

    assert "GET /cgt_[redacted]" in told
