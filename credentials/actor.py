"""Who acts, and from where: a user, a client, or a command or task of our own."""

from dataclasses import dataclass
from typing import cast

from django.http import HttpRequest

from credentials.access.middleware import client_address, request_id
from credentials.models import Client, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Made once where a request, a command or a task comes in, and passed to every act (`by=`) and to the audit trail.

    A command has the user who runs it, if it asks for one. A caller who has not authenticated is only an IP address.
    """

    user: User | None = None
    client: Client | None = None
    command: str = ""  # the management command or the task
    address: str | None = None
    request_id: str = ""

    @classmethod
    def of_request(cls, request: HttpRequest) -> "Actor":
        """Return the signed-in user of a request to the portal or the administration."""
        return cls.of_user(cast("User", request.user), request)

    @classmethod
    def of_user(cls, user: User | None, request: HttpRequest) -> "Actor":
        """Return a user who isn't signed in, or not yet; None for someone unknown."""
        return cls(user=user, address=client_address(request), request_id=request_id(request))

    @classmethod
    def of_client(cls, client: Client | None, request: HttpRequest) -> "Actor":
        """Return a client that calls the API; None for a caller who is not known to be one."""
        return cls(client=client, address=client_address(request), request_id=request_id(request))

    @classmethod
    def of_command(cls, command: str, user: User | None = None) -> "Actor":
        return cls(command=command, user=user)
