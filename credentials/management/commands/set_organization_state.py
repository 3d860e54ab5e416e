import datetime as dt
from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials.management.operator_command import OperatorCommand
from credentials.people import organizations
from credentials.people.organizations import State, Status, Strategy


class Command(OperatorCommand):
    help = (
        "Say what an organization may have, from the next request on: everything (active), nothing (denied), or what "
        "is within bounds (limited), after its participation ended."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("entity_id", metavar="ENTITY_ID")
        parser.add_argument("status", choices=Status.values)
        parser.add_argument("--reason", default="", help="the organization's people read it")
        parser.add_argument(
            "--termination-date", type=_date, metavar="YYYY-MM-DD", help="of a limited one: when participation ended"
        )
        for name, what in (
            ("attribution", "whose claims it gets"),
            ("opt-out", "whose wish not to share is heeded"),
            ("claims", "up to which service it gets claims"),
        ):
            parser.add_argument(
                f"--{name}",
                choices=Strategy.values,
                default=Strategy.HISTORICAL.value,
                help=f"of a limited one: {what}, as of the termination date (the default) or as of now",
            )

    def handle(self, *args: Any, entity_id: str, status: str, by: str, **options: Any) -> None:  # noqa: ARG002
        state = State(
            status=Status(status),
            reason=options["reason"],
            termination_date=options["termination_date"],
            attribution=Strategy(options["attribution"]),
            opt_out=Strategy(options["opt_out"]),
            claims=Strategy(options["claims"]),
        )
        try:
            has_changed = organizations.set_state(self.organization(entity_id), state, by=self.operator(by))
        except organizations.OrganizationRefusedError as error:
            raise CommandError(f"{error} Give --termination-date YYYY-MM-DD.") from error
        self.stdout.write(f"{entity_id} is {status}{' now' if has_changed else ' already; nothing was changed'}.")


def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text)
