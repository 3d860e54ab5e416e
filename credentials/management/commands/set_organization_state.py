import datetime as dt
from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials.management.operator_command import OperatorCommand
from credentials.people import organizations
from credentials.people.organizations import OrganizationState, Status, Strategy


class Command(OperatorCommand):
    help = (
        "Set what an organization can get, from the next request on: everything (active), nothing (denied), or claims "
        "limited by date (limited), after its participation ended."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("entity_id", metavar="ENTITY_ID")
        parser.add_argument("status", choices=Status.values)
        parser.add_argument("--reason", default="", help="the reason, which the organization's team can read")
        parser.add_argument(
            "--termination-date",
            type=_date,
            metavar="YYYY-MM-DD",
            help="for a limited organization: when its participation ended",
        )
        for name, what in (
            ("attribution", "whose claims it gets"),
            ("opt-out", "whose opt-outs apply"),
            ("claims", "up to which service date it gets claims"),
        ):
            parser.add_argument(
                f"--{name}",
                choices=Strategy.values,
                default=Strategy.HISTORICAL.value,
                help=f"for a limited organization: {what}, as of the termination date (the default) or as of now",
            )

    def handle(self, *args: Any, entity_id: str, status: str, by: str, **options: Any) -> None:  # noqa: ARG002
        state = OrganizationState(
            status=Status(status),
            reason=options["reason"],
            termination_date=options["termination_date"],
            attribution=Strategy(options["attribution"]),
            opt_out=Strategy(options["opt_out"]),
            claims=Strategy(options["claims"]),
        )
        try:
            has_changed = organizations.set_state(self.organization(entity_id), state, by=self.actor(by))
        except organizations.OrganizationRefusedError as error:
            raise CommandError(f"{error} Set --termination-date YYYY-MM-DD.") from error
        self.stdout.write(f"{entity_id} is {status}{' now' if has_changed else ' already; nothing was changed'}.")


def _date(text: str) -> dt.date:
    return dt.date.fromisoformat(text)
