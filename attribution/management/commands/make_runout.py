from typing import Any

from django.core.management.base import CommandError, CommandParser

from attribution.loading import CannotMakeRunoutError, make_runout, undo_runout
from credentials.management.operator_command import OperatorCommand
from credentials.models import Organization


class Command(OperatorCommand):
    help = (
        "Make last year's runout roster from the last roster of that year, until CMS sends one. An organization for "
        "which that isn't possible is named, and the others go on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("entity_ids", nargs="*", metavar="ENTITY_ID")
        parser.add_argument("--all", action="store_true", dest="for_all", help="for every organization")
        parser.add_argument("--undo", action="store_true", help="roll such a roster back")

    def handle(self, *args: Any, entity_ids: list[str], by: str, **options: Any) -> None:  # noqa: ARG002
        if bool(entity_ids) == options["for_all"]:
            raise CommandError("Name the organizations, or use --all.")
        organizations = [self.organization(each) for each in entity_ids] or Organization.objects.all()
        actor, refused = self.actor(by), 0
        for organization in organizations:
            try:
                if options["undo"]:
                    roster = undo_runout(organization, by=actor)
                    self.stdout.write(f"{organization.entity_id}: rolled back: {roster.file_name}.")
                else:
                    roster = make_runout(organization, by=actor)
                    self.stdout.write(
                        f"{organization.entity_id}: {roster.file_name}: {roster.beneficiary_count:,} beneficiaries."
                    )
            except CannotMakeRunoutError as error:
                refused += 1
                self.stderr.write(str(error))
        if refused:
            raise CommandError(f"{refused} of {len(organizations)} not done.")
