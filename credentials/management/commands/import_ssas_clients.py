from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from credentials.clients import importing
from credentials.management.operator_command import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Import clients from the SSAS and keep their client secrets. FILE is a JSON list of objects, or CSV, with "
        f"{', '.join(importing.FIELDS)}. All of it is imported, or none of it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE", help="a file whose name ends in .json or .csv")
        parser.add_argument(
            "--iterations", type=int, help="the iterations of hashes that don't state them (SSAS_HASH_ITERATIONS)"
        )
        parser.add_argument("--dry-run", action="store_true", help="check the file and import nothing")

    def handle(self, *args: Any, file: Path, by: str, **options: Any) -> None:  # noqa: ARG002  # Django's call
        actor, iterations = self.actor(by), options["iterations"]
        try:
            with file.open(encoding="utf-8-sig", newline="") as opened:
                records = importing.read(opened, is_csv=file.suffix.lower() == ".csv")
            if options["dry_run"]:
                found = importing.checked(records, iterations=iterations)
                self.stdout.write(f"{len(found)} clients can be imported. Nothing was changed.")
                return
            made = importing.import_clients(records, iterations=iterations, by=actor)
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} can't be read: {error}") from error
        except importing.ImportRefusedError as error:
            raise CommandError(f"{file} has errors. Nothing was imported:\n{error}") from error
        for client in made:
            self.stdout.write(f"{client.organization.entity_id}  {client.client_id}  {client.name}")
        self.stdout.write(f"{len(made)} clients imported.")
