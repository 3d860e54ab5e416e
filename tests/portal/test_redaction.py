import logging
import subprocess
import sys

import pytest
from django.conf import settings

from portal.redaction import RedactionFilter, escape, redact


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


UNSEEN = [
    *("\n", "\r", "\r\n", "\x1b", "\x00", "\x08", "\t", "\x7f", "\x9b", "\x85", "\v", "\f"),
    *("\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\U000e0041"),
]


@pytest.mark.parametrize("unseen", UNSEEN)
def test_a_record_is_one_line_in_which_all_is_seen(unseen):
    text = written("name %s", (f"a{unseen}2026-11-27 00:00:00 INFO x FAKE",))

    assert text.isprintable()
    assert text.encode("ascii")
    assert "FAKE" in text


def test_what_can_be_seen_is_left_alone():
    seen = "/organizations/A9994?name=Zoë 日本 “…” \\ 100%"

    assert escape(seen) == seen


def test_what_was_escaped_is_not_escaped_again():
    once = escape("a\nb\u202ec")

    assert once == r"a\nb\u202ec"
    assert escape(once) == once


def test_a_traceback_cannot_be_taken_for_other_records():
    try:
        look_up("x\n2026-11-27 00:00:00 INFO portal FAKE\r\x1b[31m\u2028FAKE")
    except ValueError:
        text = written("it broke", (), sys.exc_info())

    first, *others = text.split("\n")
    assert first == "it broke"
    assert [line for line in others if line.startswith("    2026-11-27 00:00:00 INFO portal FAKE")]
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def written(message: str, arguments: tuple[object, ...], exc_info: object = None) -> str:
    """The text of a record, as a handler of ours writes it."""
    record = logging.LogRecord("x", logging.ERROR, "x", 1, message, arguments, exc_info)
    RedactionFilter().filter(record)
    return logging.Formatter().format(record)


def test_what_celery_writes_by_handlers_of_its_own_is_escaped_and_blotted_out_as_well():
    program = (
        "import sys; from celery.utils.log import get_task_logger; from portal.celery import app;"
        'app.log.setup(loglevel="INFO", redirect_stdouts=True, redirect_level="INFO");'
        'get_task_logger("x").error("a task\\nFAKE cgt_0123456789abcdef"); print("an output\\x1bFAKE")'
    )

    told = subprocess.run(
        [sys.executable, "-c", program], cwd=settings.BASE_DIR, check=True, capture_output=True, text=True
    ).stderr

    assert r"a task\nFAKE cgt_[redacted]" in told
    assert r"an output\x1bFAKE" in told
