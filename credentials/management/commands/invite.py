from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials.management.operator_command import OperatorCommand
from credentials.models import Role
from credentials.people import invitations
from credentials.people.team_rules import TeamRefusedError


class Command(OperatorCommand):
    help = "Invite a user to an organization, usually the first one. A worker sends the email within a minute."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("entity_id", metavar="ENTITY_ID", help="the organization, for example A9994")
        parser.add_argument("email", metavar="EMAIL", help="the email address that gets the link")
        parser.add_argument("--name", default="", help="the user's name, for the list of invitations")
        parser.add_argument("--role", choices=Role.values, help="required if the program has several roles")

    def handle(self, *args: Any, entity_id: str, email: str, by: str, **options: Any) -> None:  # noqa: ARG002
        organization = self.organization(entity_id)
        roles = organization.roles
        role = options["role"] or (roles[0] if len(roles) == 1 else None)
        if role is None:
            raise CommandError(f"This program has several roles. Choose one with --role: {', '.join(roles)}.")
        try:
            invitation = invitations.invite(
                organization,
                email=email,
                name=options["name"],
                role=role,
                by=self.actor(by),
                as_operator=True,
            )
        except TeamRefusedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"Invited {invitation.email} to {organization} as {invitation.get_role_display()}. "
            f"The invitation expires at {invitation.expires_at:%Y-%m-%d %H:%M} UTC."
        )
