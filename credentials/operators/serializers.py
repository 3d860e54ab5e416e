"""The requests and responses of the administration API, as JSON."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from credentials import lifetimes, programs
from credentials.clients.rotation import Overlap
from credentials.models import Client, ClientSecret, Invitation, Organization, Role
from credentials.people.organizations import OrganizationState, Status, Strategy


class ProgramField(serializers.ChoiceField):
    """A program's code. The choices are those of the moment: apps can add programs."""

    def __init__(self, **options: Any) -> None:
        super().__init__(programs.choices(), **options)


class NewOrganization(serializers.Serializer[Any]):
    entity_id = serializers.CharField(max_length=12)
    name = serializers.CharField(max_length=200)
    program = ProgramField()
    is_sandbox = serializers.BooleanField(default=False)


class NewState(serializers.Serializer[Any]):
    status = serializers.ChoiceField(Status.choices)
    reason = serializers.CharField(max_length=200, default="", allow_blank=True)
    termination_date = serializers.DateField(default=None, allow_null=True)
    attribution = serializers.ChoiceField(Strategy.choices, default=Strategy.HISTORICAL)
    opt_out = serializers.ChoiceField(Strategy.choices, default=Strategy.HISTORICAL)
    claims = serializers.ChoiceField(Strategy.choices, default=Strategy.HISTORICAL)

    def state(self) -> OrganizationState:
        """Return what was requested. Call it when the data are valid."""
        wanted = self.validated_data
        return OrganizationState(
            status=Status(wanted["status"]),
            reason=wanted["reason"],
            termination_date=wanted["termination_date"],
            attribution=Strategy(wanted["attribution"]),
            opt_out=Strategy(wanted["opt_out"]),
            claims=Strategy(wanted["claims"]),
        )


class NewInvitation(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254)
    name = serializers.CharField(max_length=150, default="", allow_blank=True)
    role = serializers.ChoiceField(Role.choices)


class ReasonGiven(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200)


class Addresses(serializers.Serializer[Any]):
    addresses = serializers.ListField(child=serializers.CharField(max_length=64), max_length=100)


class NewClient(Addresses):
    name = serializers.CharField(max_length=64)


class Rotation(serializers.Serializer[Any]):
    overlap_hours = serializers.ChoiceField(Overlap.choices)


class Days(serializers.Serializer[Any]):
    days = serializers.IntegerField(min_value=0, max_value=lifetimes.SECRET.days, default=lifetimes.EXPIRES_SOON.days)


def organization_facts(organization: Organization) -> dict[str, Any]:
    state = OrganizationState.of(organization)
    return {
        "entity_id": organization.entity_id,
        "name": organization.name,
        "program": organization.program.code if organization.program else None,
        "is_sandbox": organization.is_sandbox,
        "state": {
            "status": state.status.value,
            "reason": state.reason,
            "termination_date": state.termination_date.isoformat() if state.termination_date else None,
            "attribution": state.attribution.value,
            "opt_out": state.opt_out.value,
            "claims": state.claims.value,
        },
    }


def invitation_facts(invitation: Invitation) -> dict[str, Any]:
    """An invitation. Its link is only in the email."""
    return {
        "organization": invitation.organization.entity_id,
        "email": invitation.email,
        "name": invitation.name,
        "role": invitation.role,
        "expires_at": _text(invitation.expires_at),
    }


def client_facts(client: Client) -> dict[str, Any]:
    """A client. Prefetch its `secrets`, `addresses`, `keys` and `key_sets`."""
    return {
        "organization": client.organization.entity_id,
        "client_id": client.client_id,
        "name": client.name,
        "state": client.state.value,
        "addresses": [address.address for address in client.addresses.all()],
        "secrets": [secret_facts(secret) for secret in client.secrets.all() if secret.is_live],
        "last_used_at": _text(client.last_used_at),
        "last_used_address": client.last_used_address,
        "failed_attempts": client.failed_attempts,
        "last_failed_at": _text(client.last_failed_at),
        "last_failed_address": client.last_failed_address,
        "revoked_at": _text(client.revoked_at),
    }


def secret_facts(secret: ClientSecret) -> dict[str, Any]:
    """A secret, without the secret text."""
    return {
        "hint": secret.hint,
        "created_at": _text(secret.created_at),
        "expires_at": _text(secret.expires_at),
        "is_expired": secret.expires_at <= timezone.now(),
        "is_replaced": secret.replaced_at is not None,
        "last_used_at": _text(secret.last_used_at),
    }


def _text(moment: Any) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
