"""The link that lets a person set a new password: it works for an hour, once, and not after a sign-in."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.http import int_to_base36, urlencode

from credentials.models import User


def new_password_url(user: User) -> str:
    """Whoever has the link is taken for the person: send or show it to nobody else."""
    link = f"{int_to_base36(user.pk)}-{default_token_generator.make_token(user)}"
    return f"{settings.PUBLIC_URL}{reverse('new-password')}?{urlencode({'link': link})}"
