"""The organizations of a user, and the overview of one."""

import datetime as dt
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from credentials.models import Membership, User
from portal.pages.connection import refused
from portal.pages.scoping import MemberRequest, member_required, who_manages_credentials
from portal.sign_in import second_factor
from portal.words import standing

CONCERNS_SHOWN = 5
A_DAY = dt.timedelta(days=1)


@never_cache
@require_GET
@login_required
def organizations(request: HttpRequest) -> HttpResponse:
    """Lists the user's organizations. If there is only one, goes to it."""
    memberships = list(Membership.objects.of_user(cast("User", request.user)))
    if len(memberships) == 1:
        return redirect("portal:overview", memberships[0].organization.entity_id)
    standings = standing.of_organizations([membership.organization for membership in memberships])
    shown = second_factor.is_shown(request)
    rows = [
        (membership, standings[membership.organization_id], second_factor.is_asked_for(membership) and not shown)
        for membership in memberships
    ]
    return render(request, "portal/organizations/list.html", {"rows": rows})


@member_required()
@require_GET
def overview(request: MemberRequest) -> HttpResponse:
    stands = standing.of_organizations([request.organization])[request.organization.pk]
    concerns = [] if request.refusal else stands.concerns
    context = {
        "standing": stands,
        "concerns": concerns[:CONCERNS_SHOWN],
        "concerns_left": len(concerns[CONCERNS_SHOWN:]),
        "refused_today": refused.count_since(request.organization, timezone.now() - A_DAY),
        "who_manages": who_manages_credentials(request.organization),
    }
    return render(request, "portal/organizations/overview.html", context)
