from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from credentials.trail import protection


class Command(BaseCommand):
    help = (
        "Protect the audit trail from the application's own account: let a role of the database do the application's "
        "work, and of the trail only add to it and read it. See docs/audit-trail.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--role", help="the role that the application connects as; run this as the tables' owner")
        which.add_argument(
            "--check",
            action="store_true",
            help="change nothing, and fail if the role of this very connection could change the trail",
        )

    def handle(self, *args: Any, role: str | None, check: bool, **options: Any) -> None:  # noqa: ARG002  # Django's call
        if check:
            self._check()
        elif role:
            try:
                protection.protect(role)
            except protection.NotProtectedError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"“{role}” can add to the audit trail and read it, and change nothing in it.")

    def _check(self) -> None:
        if found := protection.powers():
            told = "\n".join(f"  It {power.what}. Remedy: {power.remedy}" for power in found)
            raise CommandError(f"The role of this connection could change the audit trail:\n{told}")
        self.stdout.write("The role of this connection can only add to the audit trail and read it.")
