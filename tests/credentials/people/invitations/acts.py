"""What is done with an invitation."""

import pytest

from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.models import AuditEvent, Invitation, Membership, Role, User
from credentials.people import invitations
from credentials.people.invitations import Key
from credentials.trail.audit import Action

EMAIL = "new@harbor.example"
PASSWORD = "three small boats at dawn"


def invite(world, email: str = EMAIL, **facts) -> Invitation:
    facts = {"role": Role.CREDENTIAL_DELEGATE, "by": Actor(user=world.delegate), **facts}
    return invitations.invite(facts.pop("organization", world.harbor), email=email, **facts)


def key(invitation: Invitation) -> Key:
    return Key(invitation.pk, invitation.nonce)


def accept(invitation: Invitation, person: User) -> Membership:
    return invitations.accept(key(invitation), user=person, by=Actor(user=person))


def join(invitation: Invitation, name: str = "New Person") -> Membership:
    return invitations.accept_as_new_person(key(invitation), name=name, password=PASSWORD, by=Actor())


def reason_for(act) -> Reason:
    with pytest.raises(invitations.InvitationOverError) as refused:
        act()
    return refused.value.reason


def events(action: Action) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("pk"))
