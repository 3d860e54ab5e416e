import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from credentials import lifetimes
from credentials.models import ClientSecret


class Command(BaseCommand):
    help = "List client secrets that expire soon, the earliest first, and expired ones that were not rotated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days",
            type=int,
            default=lifetimes.EXPIRES_SOON.days,
            help="list secrets that expire within this many days (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object on each line")

    def handle(self, *args: Any, days: int, as_json: bool, **options: Any) -> None:  # noqa: ARG002  # Django's call
        until = timezone.now() + dt.timedelta(days=days)
        for secret in ClientSecret.objects.expiring(until).select_related("client__organization"):
            facts = {
                "organization": secret.client.organization.entity_id,
                "client_id": secret.client.client_id,
                "client": secret.client.name,
                "hint": secret.hint,
                "expires_at": secret.expires_at.isoformat(timespec="seconds"),
                "last_used_at": secret.last_used_at.isoformat(timespec="seconds") if secret.last_used_at else None,
            }
            self.stdout.write(json.dumps(facts) if as_json else "  ".join(str(fact or "-") for fact in facts.values()))
