"""The links in personal emails. They are made when the email is written, and stored nowhere."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.http import int_to_base36, urlencode

from credentials.models import User


def new_password_url(user: User) -> str:
    """Return the link to set a new password. It works once, for 1 hour, until the next sign-in.

    Anyone who has it can act as the user, so send or show it only to them.
    """
    link = f"{int_to_base36(user.pk)}-{default_token_generator.make_token(user)}"
    return f"{settings.PUBLIC_URL}{reverse('new-password')}?{urlencode({'link': link})}"


def confirmation_url(key: str) -> str:
    """Return the link to confirm an email address. The key is in the query, which access logs leave out."""
    return f"{settings.PUBLIC_URL}{reverse('account_confirm_email')}?{urlencode({'key': key})}"
