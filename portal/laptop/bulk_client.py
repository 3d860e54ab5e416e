"""A minimal client of the bulk export API, used by the demo."""

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

SECONDS_AT_MOST = 60
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ExportStatus:
    """The progress of a job. `output` is the manifest's if it is finished, otherwise None."""

    percent: int
    output: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Download:
    """A downloaded file."""

    resource_type: str
    resource_count: int
    length: int  # bytes of NDJSON
    sent_length: int  # bytes that went over the wire
    seconds: float


class BulkClient:
    """Token, start, status, download: the calls that the README shows with curl. Raises requests.HTTPError."""

    def __init__(self, base_url: str, client_id: str, client_secret: str) -> None:
        self._base_url = base_url
        answer = requests.post(
            f"{base_url}/auth/token", auth=(client_id, client_secret), data=b"", timeout=SECONDS_AT_MOST
        )
        answer.raise_for_status()
        self._session = requests.Session()
        self._session.headers.update(
            {"Authorization": f"Bearer {answer.json()['access_token']}", "Accept": "application/fhir+json"}
        )

    def start(self, path: str) -> str:
        """Start an export. Return the URL of its job."""
        answer = self._get(f"{self._base_url}/{path}", headers={"Prefer": "respond-async"})
        return answer.headers["Content-Location"]

    def status(self, job_url: str) -> ExportStatus:
        answer = self._get(job_url)
        if answer.status_code == requests.codes.ok:
            return ExportStatus(100, answer.json()["output"])
        progress = re.search(r"(\d+)%", answer.headers.get("X-Progress", ""))
        return ExportStatus(int(progress[1]) if progress else 0, None)

    def download(self, entry: dict[str, Any], folder: Path) -> Download:
        """Download one file of the manifest's `output` into `folder`, decompressed."""
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        target = folder / f"{entry['type']}-{entry['url'].rpartition('/')[2]}"
        with self._get(entry["url"], stream=True) as answer, target.open("wb") as file:
            answer.raw.decode_content = True
            shutil.copyfileobj(answer.raw, file, BLOCK_BYTES)
            sent = int(answer.headers.get("Content-Length", 0))
        return Download(entry["type"], entry["count"], target.stat().st_size, sent, time.monotonic() - began)

    def _get(self, url: str, **options: Any) -> requests.Response:
        answer = self._session.get(url, timeout=SECONDS_AT_MOST, **options)
        answer.raise_for_status()
        return answer
