from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials.clients import revocation
from credentials.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Revoke all clients of an organization, with their secrets, keys and tokens, from the next request on. Exports "
        "are not cancelled, and users can still sign in. To deny the organization access, set its state to denied."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("entity_id", metavar="ENTITY_ID")
        parser.add_argument(
            "--reason", required=True, help="the reason for the audit trail, which the organization's team can read"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, entity_id: str, reason: str, by: str, **options: Any) -> None:  # noqa: ARG002
        organization, actor = self.organization(entity_id), self.actor(by)
        if (
            not options["yes"]
            and input(f"Revoke all clients of {organization}? To confirm, type {entity_id}: ") != entity_id
        ):
            raise CommandError("Nothing was changed.")
        ended = revocation.revoke_everything(organization, by=actor, reason=reason)
        for client in ended:
            self.stdout.write(f"{client.client_id}  {client.name}")
        self.stdout.write(f"{len(ended)} clients of {organization} revoked.")
