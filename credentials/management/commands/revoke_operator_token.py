from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials.management.operator_command import OperatorCommand
from credentials.models import OperatorToken
from credentials.operators import operator_tokens


class Command(OperatorCommand):
    help = "Revoke the operator tokens that end in HINT, from the next call on."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("hint", metavar="HINT", help="the last four characters of the token")

    def handle(self, *args: Any, hint: str, by: str, **options: Any) -> None:  # noqa: ARG002  # Django's call
        actor = self.actor(by)
        found = list(OperatorToken.objects.filter(hint=hint, revoked_at=None).select_related("user"))
        if not found:
            raise CommandError(f"There is no operator token that ends in …{hint}.")
        for token in found:
            operator_tokens.revoke_token(token, by=actor)
            self.stdout.write(f"Ended: {token} of {token.user}.")
