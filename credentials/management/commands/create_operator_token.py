from typing import Any

from django.core.management.base import CommandParser
from django.views.decorators.debug import sensitive_variables

from credentials.management.operator_command import OperatorCommand
from credentials.operators import operator_tokens


class Command(OperatorCommand):
    help = (
        "Create a token for the administration API. A program that has it acts in your name for 90 days. The token is "
        "written to standard output and nowhere else."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--name", required=True, help="the program that uses the token")

    @sensitive_variables("token")
    def handle(self, *args: Any, name: str, by: str, **options: Any) -> None:  # noqa: ARG002  # Django's call
        token = operator_tokens.create_token(name=name, by=self.actor(by))
        self.stderr.write(f"The new token “{name}”:")
        self.stdout.write(token)
