"""The rosters of an organization: the current one, earlier ones, and loading the next."""

from typing import BinaryIO, cast

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from attribution import cohorts, loading, staleness
from attribution.cohorts import Cohort
from attribution.models import RosterFile
from portal.pages.rosters.forms import RosterForm
from portal.pages.scoping import MemberRequest, member_required

ROSTERS_A_PAGE = 24
# CMS publishes no count of beneficiaries below 11 (its cell size suppression policy).
SMALLEST_SHOWN = 11


@member_required()
@require_GET
def rosters(request: MemberRequest) -> HttpResponse:
    history = RosterFile.objects.for_organization(request.organization).latest_first().select_related("received_from")
    until = request.organization.bounds().attribution_until
    current = cohorts.exported_roster(request.organization)
    cohort = cohorts.on_roster(current) if current else None
    context = {
        "current": current,
        "beneficiary_count": cohort.count() if cohort else 0,
        "opted_out": _opted_out(cohort) if cohort and cohort.consent.honors_opt_outs else "",
        "runout": cohorts.exported_roster(request.organization, RosterFile.Kind.RUNOUT),
        "until": until,
        "page": Paginator(history, ROSTERS_A_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "portal/rosters/list.html", context)


def _opted_out(cohort: Cohort) -> str:
    """Return how many opted out. A small number is not said, and neither is whether there is any."""
    count = cohort.withheld_count()
    return f"{count:,}" if count >= SMALLEST_SHOWN else f"fewer than {SMALLEST_SHOWN}"


@member_required(gated=True)
@require_http_methods(["GET", "POST"])
def upload_roster(request: MemberRequest) -> HttpResponse:
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = RosterForm(*sent, organization=request.organization)
    if form.is_valid():
        upload = form.cleaned_data["file"]
        try:
            roster = loading.load_roster(
                cast("BinaryIO", upload.file),
                file_name=upload.name,
                by=request.actor,
                organization=request.organization,
            )
        except loading.BadFileName as bad_name:
            form.add_error("file", str(bad_name))
        else:
            return redirect("portal:roster", request.organization.entity_id, roster.pk)
    context = {"form": form, "until": request.organization.bounds().attribution_until}
    return render(request, "portal/rosters/upload.html", context, status=400 if form.errors else 200)


@member_required()
@require_GET
def roster(request: MemberRequest, roster_id: int) -> HttpResponse:
    """Shows a roster: published with its numbers, or refused with its problems."""
    found = (
        RosterFile.objects.for_organization(request.organization)
        .select_related("received_from")
        .filter(pk=roster_id)
        .first()
    )
    if found is None:
        raise Http404("Your organization has no roster with this number.")
    context = {
        "roster": found,
        "exported": cohorts.exported_roster(request.organization),
        "has_bad_lines": any(problem["line"] for problem in found.problems),
        "why_not_exported": staleness.problem(found, request.organization, timezone.now()),
    }
    return render(request, "portal/rosters/roster.html", context)
