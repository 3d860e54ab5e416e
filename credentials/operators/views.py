"""The administration API: the operators' functions as JSON over HTTP. Each view parses, makes one call, and answers."""

import datetime as dt
from collections.abc import Callable
from typing import Any, cast

from django.http import Http404
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions, serializers
from rest_framework.permissions import IsAdminUser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from credentials.actor import Actor
from credentials.clients import allow_lists, issuing, revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import Client, ClientRevokedError, ClientSecret, Organization, User
from credentials.models.client import ClientQuerySet
from credentials.operators.parsers import StrictJsonParser
from credentials.operators.serializers import (
    Addresses,
    Days,
    NewClient,
    NewInvitation,
    NewOrganization,
    NewState,
    ReasonGiven,
    Rotation,
    client_facts,
    invitation_facts,
    organization_facts,
    secret_facts,
)
from credentials.operators.token_authentication import OperatorSessionAuthentication, OperatorTokenAuthentication
from credentials.people import invitations, organizations
from credentials.people.team_rules import RoleRefusedError

# The errors that the functions raise, and the status of each.
_STATUS_OF: dict[type[Exception], int] = {
    allow_lists.AddressesRefusedError: 400,
    organizations.OrganizationRefusedError: 400,
    ClientRevokedError: 409,
    issuing.NameTakenError: 409,
    issuing.TwoSecretsError: 409,
    invitations.AddressRefusedError: 400,
    RoleRefusedError: 400,
    invitations.AlreadyInvitedError: 409,
    invitations.AlreadyMemberError: 409,
    invitations.TooManyInvitationsError: 429,
}


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the error as `{"error": …}`, with `fields` if the JSON itself is wrong."""
    if status := _STATUS_OF.get(type(error)):
        return Response({"error": str(error)}, status=status)
    response = exception_handler(error, context)
    if response is not None:
        if isinstance(error, serializers.ValidationError):
            response.data = {"error": "Some fields are not valid. Correct the fields below.", "fields": response.data}
        elif isinstance(error, Http404):
            response.data = {"error": str(error)}
        elif isinstance(error, exceptions.APIException):
            response.data = {"error": str(error.detail)}
    return response


class OperatorView(APIView):
    """A view for operators only."""

    authentication_classes = (OperatorTokenAuthentication, OperatorSessionAuthentication)
    permission_classes = (IsAdminUser,)
    parser_classes = (StrictJsonParser,)
    renderer_classes = (JSONRenderer,)

    @property
    def actor(self) -> Actor:
        """Return the operator. REST framework knows who that is, and Django's request has the IP address."""
        return Actor.of_user(cast("User", self.request.user), self.request._request)  # noqa: SLF001

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        return answer

    def finalize_response(self, request: Request, response: Response, *args: object, **kwargs: object) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class OrganizationsView(OperatorView):
    """GET and POST /admin-api/organizations."""

    def get(self, request: Request) -> Response:  # noqa: ARG002  # DRF's signature
        return Response({"organizations": [organization_facts(each) for each in Organization.objects.all()]})

    def post(self, request: Request) -> Response:
        wanted = _valid(NewOrganization(data=request.data))
        made = organizations.create_organization(
            entity_id=wanted["entity_id"],
            name=wanted["name"],
            program_code=wanted["program"],
            is_sandbox=wanted["is_sandbox"],
            by=self.actor,
        )
        return Response(organization_facts(made), status=201)


class OrganizationView(OperatorView):
    """GET /admin-api/organizations/{entity_id}."""

    def get(self, request: Request, entity_id: str) -> Response:  # noqa: ARG002  # DRF's signature
        organization = _organization(entity_id)
        return Response(
            {**organization_facts(organization), "clients": [client_facts(c) for c in _clients(organization)]}
        )


class StateView(OperatorView):
    """PUT /admin-api/organizations/{entity_id}/state."""

    def put(self, request: Request, entity_id: str) -> Response:
        organization, wanted = _organization(entity_id), NewState(data=request.data)
        wanted.is_valid(raise_exception=True)
        organizations.set_state(organization, wanted.state(), by=self.actor)
        return Response(organization_facts(organization))


class OrganizationRevocationView(OperatorView):
    """POST /admin-api/organizations/{entity_id}/revocation: revokes all its clients."""

    def post(self, request: Request, entity_id: str) -> Response:
        organization, wanted = _organization(entity_id), _valid(ReasonGiven(data=request.data))
        ended = revocation.revoke_everything(organization, by=self.actor, reason=wanted["reason"])
        return Response({"revoked": [client.client_id for client in ended]})


class ClientsView(OperatorView):
    """POST /admin-api/organizations/{entity_id}/clients."""

    @sensitive_variables("secret")
    def post(self, request: Request, entity_id: str) -> Response:
        organization, wanted = _organization(entity_id), _valid(NewClient(data=request.data))
        client, secret = issuing.create_client(
            organization=organization,
            name=wanted["name"],
            addresses=wanted["addresses"],
            by=self.actor,
        )
        return Response({**client_facts(_client(client.client_id)), "client_secret": secret}, status=201)


class InvitationsView(OperatorView):
    """POST /admin-api/organizations/{entity_id}/invitations: a worker sends the email."""

    def post(self, request: Request, entity_id: str) -> Response:
        organization, wanted = _organization(entity_id), _valid(NewInvitation(data=request.data))
        invited = invitations.invite(organization, **wanted, by=self.actor, as_operator=True)
        return Response(invitation_facts(invited), status=201)


class ClientView(OperatorView):
    """GET /admin-api/clients/{client_id}."""

    def get(self, request: Request, client_id: str) -> Response:  # noqa: ARG002  # DRF's signature
        return Response(client_facts(_client(client_id)))


class AddressesView(OperatorView):
    """PUT /admin-api/clients/{client_id}/addresses: the whole list."""

    def put(self, request: Request, client_id: str) -> Response:
        client, wanted = _client(client_id), _valid(Addresses(data=request.data))
        allow_lists.set_addresses(client, wanted["addresses"], by=self.actor)
        return Response(client_facts(_client(client_id)))


class SecretView(OperatorView):
    """POST /admin-api/clients/{client_id}/secret: rotates the secret."""

    @sensitive_variables("secret")
    def post(self, request: Request, client_id: str) -> Response:
        client, wanted = _client(client_id), _valid(Rotation(data=request.data))
        overlap = Overlap(wanted["overlap_hours"])
        secret = rotation.rotate_secret(client, overlap=overlap, by=self.actor)
        return Response({**client_facts(_client(client_id)), "client_secret": secret}, status=201)


class ClientRevocationView(OperatorView):
    """POST /admin-api/clients/{client_id}/revocation."""

    def post(self, request: Request, client_id: str) -> Response:  # noqa: ARG002  # DRF's signature
        revocation.revoke_client(_client(client_id), by=self.actor)
        return Response(client_facts(_client(client_id)))


class ExpiringSecretsView(OperatorView):
    """GET /admin-api/expiring-secrets?days=14: the next to expire first, with those that have expired."""

    def get(self, request: Request) -> Response:
        wanted = _valid(Days(data=request.query_params))
        until = timezone.now() + dt.timedelta(days=wanted["days"])
        found = ClientSecret.objects.expiring(until).select_related("client__organization")
        return Response(
            {
                "secrets": [
                    {
                        "organization": secret.client.organization.entity_id,
                        "client_id": secret.client.client_id,
                        "client": secret.client.name,
                        **secret_facts(secret),
                    }
                    for secret in found
                ]
            }
        )


def _valid(given: serializers.Serializer[Any]) -> dict[str, Any]:
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _organization(entity_id: str) -> Organization:
    found = Organization.objects.filter(entity_id=entity_id).first()
    if found is None:
        raise Http404(f"There is no organization with the entity ID “{entity_id}”.")
    return found


def _whole_clients() -> ClientQuerySet:
    whole = Client.objects.select_related("organization")
    return whole.prefetch_related("addresses", "secrets", "keys", "key_sets")


def _clients(organization: Organization) -> ClientQuerySet:
    return _whole_clients().for_organization(organization).live_first()


def _client(client_id: str) -> Client:
    found = _whole_clients().filter(client_id=client_id).first()
    if found is None:
        raise Http404(f"There is no client with the client ID “{client_id}”.")
    return found
