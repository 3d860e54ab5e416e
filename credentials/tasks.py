import datetime as dt

from celery import shared_task
from django.utils import timezone

from credentials.models import AccessToken

# Long enough that a client which comes with an old token is told that it has expired, not that it never was.
TOKENS_REMEMBERED = dt.timedelta(days=1)


@shared_task
def forget_ended_tokens() -> None:
    """Delete the rows of tokens that ended a day ago."""
    AccessToken.objects.filter(expires__lt=timezone.now() - TOKENS_REMEMBERED).delete()
