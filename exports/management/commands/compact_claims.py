"""`manage.py compact_claims`: run the daily task now."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from exports.claims.compaction import compact
from exports.models import Job


class Command(BaseCommand):
    help = "Merge loads of claims that are too old to revert (CLAIMS_UNDO_DAYS)."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  # Django's signature
        merged = compact(oldest_in_use=Job.objects.unfinished().oldest_load())
        self.stdout.write(f"{merged:,} chunks merged from loads older than {settings.CLAIMS_UNDO.days} days.")
