"""`manage.py create_operator EMAIL`: the first person who may use the administration, before any mail can be sent."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from credentials.models import User
from credentials.trail import audit
from portal.sign_in import mail_addresses
from portal.sign_in.password_links import new_password_url


class Command(BaseCommand):
    help = (
        "Create an operator: a user who may do everything in the administration. The email address counts as "
        "confirmed. Prints a link with which the operator sets a password; it works for an hour, and once. If the "
        "link is lost before it is used, run the command again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="the operator's email address, with which they sign in")
        parser.add_argument("--name", default="", help="the operator's name")

    def handle(self, *args: Any, email: str, name: str, **options: Any) -> None:  # noqa: ARG002  # Django's signature
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"“{email}” is not an email address.") from error
        operator = _waiting(email) or _create(email, name)
        minutes = settings.PASSWORD_RESET_TIMEOUT // 60
        self.stderr.write(f"{operator.email} is an operator. Set the password here within {minutes} minutes:")
        self.stdout.write(new_password_url(operator))


def _waiting(email: str) -> User | None:
    """The operator of this address who has not set a password yet. Raises CommandError if it is another's."""
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        return None
    if user.is_superuser and user.is_active and not user.has_usable_password():
        return user
    raise CommandError(
        f"{user.email} has an account already. To make this user an operator, use the administration. "
        "To set a new password, use “Forgot your password” on the sign-in page."
    )


@transaction.atomic
def _create(email: str, name: str) -> User:
    operator = User.objects.create_superuser(email, name=name)
    mail_addresses.note_verified(operator)
    audit.record_about_person(
        audit.Action.PERSON_CREATED, operator, user=None, request=None, person=operator.email, by="command line"
    )
    return operator
