from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from credentials.clients import issuing, rotation
from credentials.clients.rotation import Overlap
from credentials.management.operator_command import OperatorCommand
from credentials.models import ClientRevokedError


class Command(OperatorCommand):
    help = "Rotate the secret of a client. The new secret is written to standard output and nowhere else."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("client_id", metavar="CLIENT_ID")
        parser.add_argument(
            "--overlap",
            type=int,
            choices=Overlap.values,
            required=True,
            help="for how many hours the old secret still works (0: it and its tokens stop working now)",
        )

    @sensitive_variables("secret")
    def handle(self, *args: Any, client_id: str, overlap: int, by: str, **options: Any) -> None:  # noqa: ARG002
        client = self.client(client_id)
        try:
            secret = rotation.rotate_secret(client, overlap=Overlap(overlap), by=self.actor(by))
        except issuing.TwoSecretsError as error:
            raise CommandError(f"{error} To revoke both, use an overlap of 0.") from error
        except ClientRevokedError as error:
            raise CommandError(str(error)) from error
        self.stderr.write(f"The new secret of “{client.name}” ({client.organization}):")
        self.stdout.write(secret)
