"""`manage.py create_operator EMAIL`: the first user of the administration, before emails can be sent."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from credentials.actor import Actor
from credentials.models import User
from credentials.trail import audit
from portal.mail.links import new_password_url
from portal.sign_in import mail_addresses


class Command(BaseCommand):
    help = (
        "Create an operator: a user with all rights in the administration. The email address counts as confirmed. "
        "Prints a link to set the password. The link works once and expires in 1 hour. If you lose it, run the "
        "command again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="the email address that the operator signs in with")
        parser.add_argument("--name", default="", help="the operator's name")

    def handle(self, *args: Any, email: str, name: str, **options: Any) -> None:  # noqa: ARG002  # Django's signature
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"“{email}” isn't a valid email address.") from error
        operator = _waiting(email) or _create(email, name)
        minutes = settings.PASSWORD_RESET_TIMEOUT // 60
        self.stderr.write(f"{operator.email} is an operator. Set the password here within {minutes} minutes:")
        self.stdout.write(new_password_url(operator))


def _waiting(email: str) -> User | None:
    """Return the operator with this email address who has no password yet. Raises CommandError for other users."""
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        return None
    if user.is_superuser and user.is_active and not user.has_usable_password():
        return user
    raise CommandError(
        f"{user.email} already has an account. To make this user an operator, use the administration. "
        "To set a new password, use “Forgot your password” on the sign-in page."
    )


@transaction.atomic
def _create(email: str, name: str) -> User:
    operator = User.objects.create_superuser(email, name=name)
    mail_addresses.note_verified(operator)
    audit.record_about_person(
        audit.Action.PERSON_CREATED, operator, Actor.of_command("create_operator"), person=operator.email
    )
    return operator
