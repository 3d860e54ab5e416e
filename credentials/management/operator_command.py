"""Shared by the operators' commands: which operator runs them."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credentials.actor import Actor
from credentials.models import Client, Organization, User


class OperatorCommand(BaseCommand):
    """A command that the audit trail records as an action of the operator in `--by`."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--by",
            required=True,
            metavar="EMAIL",
            help="the operator who runs the command, for the audit trail",
        )

    def operator(self, email: str) -> User:
        found = User.objects.filter(email__iexact=email, is_staff=True, is_active=True).first()
        if found is None:
            raise CommandError(
                f"There is no operator with the email address {email}. Operators are users of the "
                "administration. Create the first one with “manage.py create_operator”."
            )
        return found

    def actor(self, email: str) -> Actor:
        """Return the operator who runs this command."""
        return Actor.of_command(type(self).__module__.rpartition(".")[2], self.operator(email))

    def organization(self, entity_id: str) -> Organization:
        found = Organization.objects.filter(entity_id=entity_id).first()
        if found is None:
            raise CommandError(f"There is no organization with the entity ID “{entity_id}”.")
        return found

    def client(self, client_id: str) -> Client:
        found = Client.objects.select_related("organization").filter(client_id=client_id.lower()).first()
        if found is None:
            raise CommandError(f"There is no client with the client ID “{client_id}”.")
        return found
