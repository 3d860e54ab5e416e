from celery import shared_task

from credentials import notices
from portal import emails


@shared_task
def send_notices() -> None:
    """Send the e-mails that are due, those included that could not be sent before."""
    notices.send_due(emails.send)
