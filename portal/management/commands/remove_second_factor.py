"""`manage.py remove_second_factor EMAIL`: for a person who has lost it, when nobody else can help."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from credentials.models import User
from portal.sign_in import second_factor


class Command(BaseCommand):
    help = "Take all second steps of a person away: the next sign-in asks for the password alone, then for a new one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="the person's e-mail address")

    def handle(self, *args: Any, email: str, **options: Any) -> None:  # noqa: ARG002  # Django's signature
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            raise CommandError(f"Nobody has the address {email}.")
        if not second_factor.remove_all(user, by=None, request=None):
            raise CommandError(f"{email} has no second step: there is nothing to take away.")
        self.stdout.write(f"{email} is signed out everywhere, and sets up a new second step after the next sign-in.")
