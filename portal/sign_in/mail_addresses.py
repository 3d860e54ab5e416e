"""Whether a person's e-mail address is known to be the person's own.

The address is a field of the person, and nowhere else. allauth's table only remembers whether that address has been
verified; a row for an address that the person no longer has would let its owner in, so it goes.
"""

from allauth.account.models import EmailAddress

from credentials.models import User


def current(user: User) -> EmailAddress:
    """The row of the person's address, made if there is none; rows of former addresses are deleted."""
    email = user.email.lower()
    EmailAddress.objects.filter(user=user).exclude(email=email).delete()
    EmailAddress.objects.filter(email=email).exclude(user=user).delete()  # it was another person's once
    address, _ = EmailAddress.objects.update_or_create(user=user, email=email, defaults={"primary": True})
    return address


def is_verified(user: User) -> bool:
    return EmailAddress.objects.filter(user=user, email=user.email.lower(), verified=True).exists()


def note_verified(user: User) -> None:
    """The person has shown to receive what is sent to the address."""
    address = current(user)
    if not address.verified:
        EmailAddress.objects.filter(pk=address.pk).update(verified=True)
