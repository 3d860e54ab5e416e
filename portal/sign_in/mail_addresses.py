"""Whether a user's email address is verified.

The email address is a field of the user. allauth's table only records whether it has been verified. A row with a former
email address would let its owner sign in, so it is deleted.
"""

from allauth.account.models import EmailAddress

from credentials.models import User


def current(user: User) -> EmailAddress:
    """Return the row of the user's email address, created if missing. Rows of former ones are deleted."""
    email = user.email.lower()
    EmailAddress.objects.filter(user=user).exclude(email=email).delete()
    EmailAddress.objects.filter(email=email).exclude(user=user).delete()  # it was once another user's
    address, _ = EmailAddress.objects.update_or_create(user=user, email=email, defaults={"primary": True})
    return address


def is_verified(user: User) -> bool:
    return EmailAddress.objects.filter(user=user, email=user.email.lower(), verified=True).exists()


def note_verified(user: User) -> None:
    """Record that the user gets emails at the email address."""
    address = current(user)
    if not address.verified:
        EmailAddress.objects.filter(pk=address.pk).update(verified=True)
