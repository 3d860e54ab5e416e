from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from credentials.trail import protection


class Command(BaseCommand):
    help = (
        "Protect the audit trail from the application's own account: allow a database role to do the application's "
        "work, but only to read the trail and add to it. See docs/audit-trail.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "--role", help="the role that the application connects as (run this command as the owner of the tables)"
        )
        which.add_argument(
            "--check",
            action="store_true",
            help="change nothing, and fail if the role of this connection could change the trail",
        )

    def handle(self, *args: Any, role: str | None, check: bool, **options: Any) -> None:  # noqa: ARG002  # Django's call
        if check:
            self._check()
        elif role:
            try:
                protection.protect(role)
            except protection.NotProtectedError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"“{role}” can read the audit trail and add to it. It can't change it.")

    def _check(self) -> None:
        if found := protection.powers():
            told = "\n".join(f"  It {power.what}. To fix it: {power.remedy}" for power in found)
            raise CommandError(f"The role of this connection could change the audit trail:\n{told}")
        self.stdout.write("The role of this connection can only read the audit trail and add to it.")
