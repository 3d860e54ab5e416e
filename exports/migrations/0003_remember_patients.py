"""Whose the Patients are that earlier loads brought."""

from collections.abc import Iterator
from typing import Any

import msgspec
from django.db import migrations

from exports.claims import splice


def remember(apps: Any, schema_editor: Any) -> None:  # noqa: ARG001  # Django's signature
    PatientIdentity = apps.get_model("exports", "PatientIdentity")
    chunks = apps.get_model("exports", "Chunk").objects.filter(resource_type="Patient").order_by("load_id")
    for chunk in chunks.iterator(chunk_size=1000):
        PatientIdentity.objects.bulk_create(
            [
                PatientIdentity(version=chunk.version, patient_id=patient_id, beneficiary_id=chunk.beneficiary_id)
                for patient_id in _ids(splice.inflate(chunk.body))
            ],
            ignore_conflicts=True,
        )


def _ids(ndjson: bytes) -> Iterator[str]:
    for line in ndjson.splitlines():
        yield msgspec.json.decode(line)["id"]


class Migration(migrations.Migration):
    dependencies = [("exports", "0002_join_chunks_and_bound_jobs")]

    operations = [migrations.RunPython(remember, migrations.RunPython.noop)]
