"""Looks for secrets wherever something is kept, sent or written, in any of the forms that they could take there."""

import base64
import html
import json
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import redis
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection

from portal.laptop import embedded_postgres
from tests import services

PART = 16


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it is, in parts, and in the ways in which texts are written into others."""
    yield secret.encode()
    # Of a long random text each part is enough to be a leak. Words have parts that stand anywhere.
    body = secret.rpartition("_")[2]
    if len(body) >= 2 * PART and not any(letter.isspace() for letter in body):
        yield from (body[at : at + PART].encode() for at in range(0, len(body) - PART + 1, PART))
    for written in (
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
        json.dumps(secret)[1:-1],
    ):
        yield written.encode()
    yield from (secret.encode().hex().encode(), secret.encode().hex().upper().encode(), secret[::-1].encode())
    # In the middle of something longer, base64 looks in one of three ways; its first and last letters depend on that.
    for before in range(3):
        text = base64.b64encode(b"\0" * before + secret.encode()).rstrip(b"=")
        inner = text[(before * 8 + 5) // 6 : -1]
        yield from (inner, inner.replace(b"+", b"-").replace(b"/", b"_"))


def found(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """What was found where: "the first token in the database"."""
    sought = {name: set(forms(secret)) for name, secret in secrets.items()}
    return [
        f"{name} in {place}"
        for place, content in places.items()
        for name, each in sought.items()
        if any(form in content for form in each)
    ]


# --- Places ---------------------------------------------------------------------------------------------------------


def database() -> bytes:
    """The whole database as pg_dump writes it, and what its sessions would hold if they were Django's own."""
    facts = connection.settings_dict
    place = {"PGHOST": facts["HOST"], "PGPORT": str(facts["PORT"] or 5432), "PGUSER": facts["USER"]}
    dump = subprocess.run(
        [str(embedded_postgres.programs() / "pg_dump"), "--inserts", facts["NAME"]],
        env={**os.environ, **place, "PGPASSWORD": facts["PASSWORD"]},
        check=True,
        capture_output=True,
    ).stdout
    assert b"INSERT INTO public.credentials_auditevent" in dump
    return dump + b"".join(json.dumps(session.get_decoded()).encode() for session in Session.objects.all())


def files(folder: Path) -> bytes:
    """All files of a folder, their names included."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in paths)


class PostgresLog:
    """What PostgreSQL writes from now on: of statements that fail, the text."""

    def __init__(self) -> None:
        self._path = services.POSTGRES.postgres.home / "postgres.log"
        self._begin = self._path.stat().st_size

    def written(self) -> bytes:
        with self._path.open("rb") as log:
            log.seek(self._begin)
            return log.read()


class Listener:
    """Hears every command that anybody gives to the broker and to the cache, and can read what they keep."""

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(settings.SERVICES.valkey_url("unix"), socket_timeout=None)
        self._monitor = self._client.monitor()
        self._monitor.__enter__()
        self._connection = self._monitor.connection
        self._heard: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while True:
                # Not by the library, which takes the line apart.
                self._heard.append(self._connection.read_response(disable_decoding=True))
        except (redis.RedisError, OSError, ValueError, AttributeError):
            return

    def heard(self) -> bytes:
        return b"\n".join(self._heard)

    def kept(self) -> bytes:
        return b"\n".join(key + b" " + self._value(key) for key in self._client.scan_iter(count=1000))

    def _value(self, key: bytes) -> bytes:
        kind = self._client.type(key)
        read = {
            b"string": lambda: self._client.get(key),
            b"list": lambda: self._client.lrange(key, 0, -1),
            b"hash": lambda: self._client.hgetall(key),
            b"set": lambda: self._client.smembers(key),
            b"zset": lambda: self._client.zrange(key, 0, -1),
        }.get(kind, lambda: None)()
        return read if isinstance(read, bytes) else b" ".join(_flat(read or ()))

    def stop(self) -> None:
        self._connection.disconnect()
        self._thread.join(5)
        self._client.close()


def _flat(values: Iterable) -> Iterator[bytes]:
    pairs = values.items() if isinstance(values, dict) else ((value,) for value in values)
    for pair in pairs:
        yield from pair
