"""Jobs that have finished, with the files that a test wants, without running one."""

import gzip
import json
import uuid
from collections.abc import Iterable

from django.conf import settings
from django.utils import timezone

from attribution.models import RosterFile
from exports import storage
from exports.claims.splice import Splice, deflate
from exports.models import Job, OutputFile, Shard


def finished_job(roster: RosterFile, *contents: bytes) -> Job:
    """A job of the roster's organization with a file for each content, which is gzip as it is stored."""
    now = timezone.now()
    job = Job.objects.create(
        organization=roster.organization,
        version=2,
        scope=Job.Scope.PATIENT,
        resource_types=["Patient"],
        request_url="a test",
        roster=roster,
        status=Job.Status.COMPLETED,
        transaction_time=now,
        finished_at=now,
        expires_at=now + settings.EXPORT_LIFETIME,
    )
    for content in contents:
        add_file(job, [content], raw_length=len(gzip.decompress(content)))
    return job


def add_file(job: Job, blocks: Iterable[bytes], *, raw_length: int) -> OutputFile:
    """One more file, of which the blocks are what is stored."""
    name = f"{uuid.uuid4()}.ndjson"
    with storage.writing(job.pk, name) as file:
        stored_length = sum(file.write(block) for block in blocks)
    facts = {"job": job, "resource_type": "Patient", "resource_count": 1, "raw_length": raw_length}
    shard = Shard.objects.create(
        number=job.shards.count(),
        population="everyone",
        first_beneficiary_id=1,
        last_beneficiary_id=1,
        file_name=name,
        status=Shard.Status.WRITTEN,
        **facts,
    )
    return OutputFile.objects.create(shard=shard, name=name, stored_length=stored_length, **facts)


def lines(count: int) -> bytes:
    """NDJSON of so many small resources, no two alike."""
    return b"".join(
        json.dumps({"resourceType": "Patient", "id": str(uuid.UUID(int=number * 0x9E3779B97F4A7C15 % 2**128))}).encode()
        + b"\n"
        for number in range(1, count + 1)
    )


def spliced(parts: Iterable[bytes]) -> bytes:
    """One gzip file, joined of a deflated body for each part, as exports write it."""
    pieces: list[bytes] = []
    splice = Splice(lambda data: pieces.append(bytes(data)))
    for part in parts:
        splice.add(deflate(part, part.count(b"\n")))
    splice.finish()
    return b"".join(pieces)
