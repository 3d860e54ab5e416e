"""What workers do for sign-in. The tasks keep their names from when they were in portal/tasks.py."""

from allauth.account.adapter import get_adapter
from celery import shared_task

from credentials.models import User
from portal.mail.tasks import PATIENTLY, hand_over_to
from portal.sign_in import sessions
from portal.sign_in.password_links import new_password_url


@shared_task(name="portal.tasks.forget_ended_sessions")
def forget_ended_sessions() -> None:
    sessions.forget_ended()


@shared_task(name="portal.tasks.send_password_reset", **PATIENTLY)
def send_password_reset(*, email: str) -> None:
    """Email a link to set a new password if an active user has this email address. Only here is it created."""
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        return
    context = {"person": user, "url": new_password_url(user)}
    get_adapter().render_mail("account/email/password_reset_key", user.email, context).send()


def hand_over_password_reset(email: str) -> None:
    """Have a worker send the link to set a new password. If the broker is unavailable, send it here."""
    hand_over_to(send_password_reset, email=email)
