"""The rosters of an organization: the current one, earlier ones, and loading the next."""

from typing import Any, BinaryIO, cast

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from attribution import changes, cohorts, loading, staleness
from attribution.cohorts import Cohort
from attribution.models import RosterFile
from credentials.models import Membership
from exports.models import Job
from portal.pages.rosters.forms import ReasonForm, RosterForm
from portal.pages.scoping import MemberRequest, member_required
from portal.words.times import day

ROSTERS_A_PAGE = 24
SAMPLE = 5  # of those who joined, and of those who left
# CMS publishes no count of beneficiaries below 11 (its cell size suppression policy).
SMALLEST_SHOWN = 11


@member_required()
@require_GET
def rosters(request: MemberRequest) -> HttpResponse:
    history = RosterFile.objects.for_organization(request.organization).latest_first().select_related("received_from")
    until = request.organization.bounds().attribution_until
    waiting = RosterFile.objects.for_organization(request.organization).filter(status=RosterFile.Status.PREVIEWED)
    current = cohorts.exported_roster(request.organization)
    cohort = cohorts.on_roster(current) if current else None
    runout = cohorts.exported_roster(request.organization, RosterFile.Kind.RUNOUT)
    context = {
        "current": current,
        "beneficiary_count": cohort.count() if cohort else 0,
        "opted_out": _opted_out(cohort) if cohort and cohort.consent.honors_opt_outs else "",
        "runout": runout,
        "in_force": [each for each in (current, runout) if each],
        "waiting": waiting.latest_first(),
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
            roster = loading.preview_roster(
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
    """Shows a roster: a preview, published with its numbers, or refused with its problems."""
    return _page(request, _roster(request, roster_id))


@member_required(gated=True)
@require_POST
def publish_roster(request: MemberRequest, roster_id: int) -> HttpResponse:
    """Publishes a preview, or approves it if that is what it waits for."""
    found = _roster(request, roster_id)
    try:
        if found.approval_asked_at:
            loading.approve(found, by=request.actor)
        else:
            loading.publish(found, by=request.actor)
    except loading.CannotPublishError as error:
        messages.warning(request, f"Nothing was published. {error}")
    else:
        messages.success(request, f"{found.file_name} was published.")
    return redirect("portal:roster", request.organization.entity_id, found.pk)


@member_required(gated=True)
@require_POST
def ask_for_approval(request: MemberRequest, roster_id: int) -> HttpResponse:
    found = _roster(request, roster_id)
    form = _swing_form(request)
    if not form.is_valid():
        return _page(request, found, form)
    try:
        loading.ask_for_approval(found, reason=form.cleaned_data["reason"], by=request.actor)
    except loading.CannotPublishError as error:
        messages.warning(request, f"{error} Nothing was changed.")
    else:
        messages.success(request, "Your team members were asked for approval. We sent them an email.")
    return redirect("portal:roster", request.organization.entity_id, found.pk)


@member_required(gated=True)
@require_POST
def discard_roster(request: MemberRequest, roster_id: int) -> HttpResponse:
    found = _roster(request, roster_id)
    try:
        loading.discard(found, by=request.actor)
    except loading.CannotDiscardError as error:
        messages.warning(request, f"{error} Nothing was changed.")
        return redirect("portal:roster", request.organization.entity_id, found.pk)
    messages.success(request, f"{found.file_name} was discarded. Nothing else was changed.")
    return redirect("portal:rosters", request.organization.entity_id)


def _swing_form(request: MemberRequest) -> ReasonForm:
    advice = "Why is so large a change right? Your team members see it when they approve."
    return ReasonForm(request.POST if request.method == "POST" else None, advice=advice)


def _page(request: MemberRequest, found: RosterFile, form: ReasonForm | None = None) -> HttpResponse:
    exported = cohorts.exported_roster(request.organization)
    runout = cohorts.exported_roster(request.organization, RosterFile.Kind.RUNOUT)
    context = {
        "roster": found,
        "exported": exported,
        "in_force": [each for each in (exported, runout) if each],
        "has_bad_lines": any(problem["line"] for problem in found.problems),
        "why_not_exported": staleness.problem(found, request.organization, timezone.now()),
        "can_be_rolled_back": not request.refusal and loading.can_be_rolled_back(found),
    }
    if found.status == RosterFile.Status.PREVIEWED:
        context |= _preview(request, found, form)
    return render(request, "portal/rosters/roster.html", context, status=400 if form else 200)


def _preview(request: MemberRequest, found: RosterFile, form: ReasonForm | None) -> dict[str, Any]:
    before = cohorts.roster_before(found)
    change = loading.compared(found)
    others = Membership.objects.for_organization(request.organization).exclude(user=request.user)
    return {
        "before": before,
        "change": change,
        "sample": changes.sample(before, found, at_most=SAMPLE),
        "needs_approval": loading.needs_approval(found, change),
        "is_own_request": found.approval_asked_by == request.user,
        "has_others": others.filter(user__is_active=True).exists(),
        "discarded_on": found.received_at + settings.ROSTER_PREVIEW_LIFETIME,
        "form": form or _swing_form(request),
    }


@member_required(gated=True)
@require_http_methods(["GET", "POST"])
def roll_back_roster(request: MemberRequest, roster_id: int) -> HttpResponse:
    found = _roster(request, roster_id)
    page = redirect("portal:roster", request.organization.entity_id, found.pk)
    form = ReasonForm(request.POST or None, advice="It’s recorded, and your team can see it.")
    try:
        if form.is_valid():
            restored = loading.roll_back(found, reason=form.cleaned_data["reason"], by=request.actor)
            messages.success(request, f"{found.file_name} was rolled back. {_in_force(restored)}")
            return page
        before = loading.roster_after_rollback(found)
    except loading.CannotRollBackError as error:
        messages.warning(request, f"{error} Nothing was changed.")
        return page
    jobs = Job.objects.for_organization(request.organization).with_roster(found)
    context = {
        "roster": found,
        "form": form,
        "before": before,
        "running": jobs.unfinished().count(),
        "ready": jobs.filter(status=Job.Status.COMPLETED).count(),
    }
    return render(request, "portal/rosters/rollback.html", context, status=400 if form.errors else 200)


def _in_force(roster: RosterFile | None) -> str:
    return f"The roster of {day(roster.file_timestamp)} is in force again." if roster else "No roster is in force now."


def _roster(request: MemberRequest, roster_id: int) -> RosterFile:
    found = (
        RosterFile.objects.for_organization(request.organization)
        .select_related(
            "organization", "received_from", "published_by", "approval_asked_by", "rolled_back_by", "discarded_by"
        )
        .filter(pk=roster_id)
        .first()
    )
    if found is None:
        raise Http404("Your organization has no roster with this number.")
    return found
