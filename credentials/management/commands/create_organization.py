from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials.management.operator_command import OperatorCommand
from credentials.people import organizations
from credentials.programs import PROGRAMS


class Command(OperatorCommand):
    help = "Create an organization. It is active and has no team members."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("entity_id", metavar="ENTITY_ID", help="the entity ID from CMS, for example A9994")
        parser.add_argument("--name", required=True)
        parser.add_argument("--program", required=True, choices=[each.code for each in PROGRAMS])
        parser.add_argument("--sandbox", action="store_true", help="the organization has synthetic data only")

    def handle(self, *args: Any, entity_id: str, name: str, program: str, by: str, **options: Any) -> None:  # noqa: ARG002
        try:
            made = organizations.create_organization(
                entity_id=entity_id,
                name=name,
                program_code=program,
                is_sandbox=options["sandbox"],
                by=self.actor(by),
            )
        except organizations.OrganizationRefusedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Made: {made}.")
