"""`manage.py remove_second_factor EMAIL`: for a user who lost their device and recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from credentials.actor import Actor
from credentials.models import User
from portal.sign_in import second_factor


class Command(BaseCommand):
    help = "Remove a user's two-factor authentication. They can then sign in with their password and set it up again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="the user's email address")

    def handle(self, *args: Any, email: str, **options: Any) -> None:  # noqa: ARG002  # Django's signature
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            raise CommandError(f"No user has the email address {email}.")
        if not second_factor.remove_all(user, by=Actor.of_command("remove_second_factor")):
            raise CommandError(f"{email} has no two-factor authentication set up. Nothing was changed.")
        self.stdout.write(
            f"Two-factor authentication of {email} was removed, and they were signed out everywhere. "
            "They can set it up again at the next sign-in."
        )
