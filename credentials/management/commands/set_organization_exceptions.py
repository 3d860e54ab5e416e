import datetime as dt
from argparse import ArgumentTypeError
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from credentials.actor import Actor
from credentials.management.operator_command import OperatorCommand
from credentials.people import organizations

AS_THE_PROGRAM = "program"
_YES_OR_NO = {"yes": True, "no": False, AS_THE_PROGRAM: None}


class Command(OperatorCommand):
    help = (
        "Set what organizations can get that differs from their program, from the next request on. What you leave out "
        f"stays as it is; “{AS_THE_PROGRAM}” takes an exception back. All of them are changed, or none."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("entity_ids", nargs="+", metavar="ENTITY_ID")
        parser.add_argument(
            "--api-versions", type=_versions, metavar="2,3", help="only these versions of the API, by number"
        )
        parser.add_argument(
            "--claims-from",
            type=_date,
            metavar="YYYY-MM-DD",
            help="the earliest service date of its claims, in place of the look-back; GUIDE: 2021-07-01 if established",
        )
        parser.add_argument(
            "--partially-adjudicated", choices=_YES_OR_NO, help="whether it gets Claim and ClaimResponse"
        )

    def handle(self, *args: Any, entity_ids: list[str], by: str, **options: Any) -> None:  # noqa: ARG002
        changes = {
            "api_versions": options["api_versions"],
            "claims_from_date": options["claims_from"],
            "has_partially_adjudicated": options["partially_adjudicated"],
        }
        given = {name: value for name, value in changes.items() if value is not None}
        if not given:
            raise CommandError("Say what to change: --api-versions, --claims-from or --partially-adjudicated.")
        for name, value in given.items():
            given[name] = _YES_OR_NO[value] if isinstance(value, str) else value
        for told in self._set(entity_ids, given, by=self.actor(by)):
            self.stdout.write(told)

    @transaction.atomic
    def _set(self, entity_ids: list[str], given: dict[str, Any], *, by: Actor) -> list[str]:
        """Return what was done, to be told when all of it is."""
        told = []
        for entity_id in entity_ids:
            organization = self.organization(entity_id)
            try:
                exceptions = replace(organization.exceptions, **given)
                has_changed = organizations.set_exceptions(organization, exceptions, by=by)
            except organizations.OrganizationRefusedError as error:
                raise CommandError(f"{entity_id}: {error}") from error
            told.append(f"{entity_id}: {'changed' if has_changed else 'is so already; nothing was changed'}.")
        return told


def _versions(text: str) -> tuple[int, ...] | str:
    if text == AS_THE_PROGRAM:
        return text
    numbers = [each.strip() for each in text.split(",")]
    if not all(each.isascii() and each.isdigit() for each in numbers):
        raise ArgumentTypeError(f"{text} isn’t a list of numbers like 2,3.")
    return tuple(map(int, numbers))


def _date(text: str) -> dt.date | str:
    return text if text == AS_THE_PROGRAM else dt.date.fromisoformat(text)
