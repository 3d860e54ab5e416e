"""The link to set a new password: it works once, for 1 hour, until the next sign-in."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.http import int_to_base36, urlencode

from credentials.models import User


def new_password_url(user: User) -> str:
    """Return the link. Anyone who has it can act as the user, so send or show it only to them."""
    link = f"{int_to_base36(user.pk)}-{default_token_generator.make_token(user)}"
    return f"{settings.PUBLIC_URL}{reverse('new-password')}?{urlencode({'link': link})}"
