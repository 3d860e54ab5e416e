"""Helps when a system can't connect: shows the visitor's IP address and the refused calls."""

import datetime as dt

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from credentials.access import addresses, gate
from credentials.access.middleware import client_address
from credentials.models import Client
from portal.pages.clients.finding import token_url
from portal.pages.connection import refused
from portal.pages.scoping import MemberRequest, member_required
from portal.words import snippets

REFUSALS_SHOWN = dt.timedelta(days=7)


@member_required()
@require_GET
def connection(request: MemberRequest) -> HttpResponse:
    address = client_address(request)
    clients = list(Client.objects.for_organization(request.organization).live().prefetch_related("addresses"))
    listed = [client for client in clients if any(str(each) == address for each in client.addresses.all())]
    calls = refused.since(request.organization, timezone.now() - REFUSALS_SHOWN)
    context = {
        "address": address,
        "problem": addresses.problem(address, allows_loopback=gate.allows_loopback(request.organization)),
        "clients_total": len(clients),
        "listed": listed,
        "unlisted": [client for client in clients if client not in listed],
        "seen": snippets.connection_test(connection_url=request.build_absolute_uri(reverse("credentials:connection"))),
        "token": snippets.token_test(token_url=token_url(request)),
        "host": request.get_host(),
        "days": REFUSALS_SHOWN.days,
        "reasons": refused.by_reason(calls),
        "rows_at_most": refused.ROWS_AT_MOST if len(calls) == refused.ROWS_AT_MOST else None,
        "may_change": request.membership.manages_credentials and not request.refusal,
    }
    return render(request, "portal/connection/test.html", context)
