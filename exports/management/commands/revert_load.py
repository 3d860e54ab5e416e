"""`manage.py revert_load N`: reverts a load. What it replaced is current again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Sum

from exports.claims.undo import CannotTakeBackError, take_back
from exports.models import Load


class Command(BaseCommand):
    help = "Revert a load of claims. Revert the last load first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "load", type=int, metavar="N", help="the number of the load (the administration lists them)"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  # Django's signature
        load = Load.objects.filter(pk=options["load"]).first()
        if load is None:
            raise CommandError(f"There is no load {options['load']}. See the list of loads in the administration.")
        try:
            undoing = take_back(load)
        except CannotTakeBackError as error:
            raise CommandError(str(error)) from error
        gone = undoing.deletions.filter(is_replaced=False).aggregate(count=Sum("resource_ids__len"))["count"] or 0
        self.stdout.write(
            f"Load {load.pk} ({load.source}) was reverted by load {undoing.pk}. "
            f"Current again: {undoing.resource_count:,} earlier resources. "
            f"Removed: {gone:,} that only this load had. Exports with an earlier _since list them under “deleted”."
        )
