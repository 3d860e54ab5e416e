from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials.clients import revocation
from credentials.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "End all clients of an organization, with their secrets, keys and tokens, from the next request on. Exports "
        "that run are not cancelled; people can still sign in. To shut the organization out, set its state to denied."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("entity_id", metavar="ENTITY_ID")
        parser.add_argument("--reason", required=True, help="for the audit trail; the organization's people read it")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, entity_id: str, reason: str, by: str, **options: Any) -> None:  # noqa: ARG002
        organization, operator = self.organization(entity_id), self.operator(by)
        if not options["yes"] and input(f"End all clients of {organization}? Write {entity_id}: ") != entity_id:
            raise CommandError("Nothing was changed.")
        ended = revocation.revoke_everything(organization, by=operator, reason=reason)
        for client in ended:
            self.stdout.write(f"{client.client_id}  {client.name}")
        self.stdout.write(f"Ended: {len(ended)} clients of {organization}.")
