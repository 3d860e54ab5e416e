"""The exports of an organization: list, start, progress, cancel, download."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from attribution import cohorts
from exports import kickoff
from exports.api import downloads
from exports.models import Job, OutputFile, Shard
from exports.versions import DEFAULT
from portal.pages.exports.forms import INPUT_FORMAT, ExportForm
from portal.pages.scoping import MemberRequest, member_required
from portal.words import standing

EXPORTS_A_PAGE = 25


@member_required()
@require_GET
def exports(request: MemberRequest) -> HttpResponse:
    jobs = Job.objects.for_organization(request.organization).latest_first().with_totals()
    found = jobs.select_related("client", "requested_by")
    page = Paginator(found, EXPORTS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "portal/exports/list.html", {"page": page, "lifetime": settings.EXPORT_LIFETIME})


@member_required(gated=True)
@require_http_methods(["GET", "POST"])
def start_export(request: MemberRequest) -> HttpResponse:
    offered = DEFAULT.resource_types_for(request.organization.rules)
    of_rules = {rule: rule.cohort_of(request.organization, None) for rule in cohorts.COHORT_RULES}
    groups = {rule: cohort for rule, cohort in of_rules.items() if cohort}
    form = ExportForm(
        request.POST if request.method == "POST" else None,
        resource_types=offered,
        rules=groups or cohorts.COHORT_RULES,  # without a roster, whatever is chosen is answered with what is missing
    )
    if form.is_valid():
        try:
            job = kickoff.kick_off(
                organization=request.organization,
                version=DEFAULT.number,
                scope=form.cleaned_data["scope"].scope,
                rule=form.cleaned_data["scope"].rule,
                resource_types=form.cleaned_data["resource_types"],
                since=form.cleaned_data["since"],
                request_url=_api_url(request, form.cleaned_data),
                by=request.actor,
            )
        except kickoff.NoRosterError:
            form.add_error(None, f"There is no roster to export for. {standing.roster_wanted(request.organization)}")
        except kickoff.NothingLoadedError:
            form.add_error(
                None, "No claims are loaded, so there is nothing to export. Ask the Claimsgate operators to load them."
            )
        else:
            return redirect("portal:export", request.organization.entity_id, job.pk)
    count_of = cohorts.counts(groups)
    last = Job.objects.for_organization(request.organization).with_files().latest_first().first()
    context = {
        "form": form,
        "version": DEFAULT.number,
        "has_types": bool(offered),
        "groups": [(rule, cohort.roster(), count_of[rule]) for rule, cohort in groups.items()],
        "roster_wanted": standing.roster_wanted(request.organization),
        "last": last,
        "last_time_as_input": f"{last.transaction_time:{INPUT_FORMAT}}" if last and last.transaction_time else "",
    }
    return render(request, "portal/exports/start.html", context, status=400 if form.errors else 200)


@member_required()
@require_GET
def export(request: MemberRequest, job_id: int) -> HttpResponse:
    job = _job(request, job_id)
    context = {**_job_context(job), "beneficiary_count": job.cohort.count()}
    return render(request, "portal/exports/job.html", context)


@member_required()
@require_GET
def export_progress(request: MemberRequest, job_id: int) -> HttpResponse:
    """The part of an export's page that changes. It reloads every second until the export is finished."""
    return render(request, "portal/exports/progress.html", _job_context(_job(request, job_id)))


@member_required()
@require_http_methods(["GET", "POST"])
def cancel_export(request: MemberRequest, job_id: int) -> HttpResponse:
    job = _job(request, job_id)
    if request.method == "GET" and job.is_unfinished:
        return render(request, "portal/exports/cancel.html", {"job": job})
    if request.method == "POST" and kickoff.cancel(job, by=request.actor):
        messages.success(request, f"Export {job.pk} was cancelled.")
    else:
        messages.warning(request, f"Export {job.pk} had already finished. Nothing was cancelled.")
    return redirect("portal:export", request.organization.entity_id, job.pk)


@member_required(gated=True)
@require_GET
def download(request: MemberRequest, job_id: int, name: str) -> HttpResponseBase:
    """Sends a file of an export to a team member of its organization."""
    job = _job(request, job_id)
    if job.has_expired:
        return render(request, "portal/exports/gone.html", {"job": job}, status=410)
    ready = OutputFile.objects.for_organization(request.organization).filter(job__status=Job.Status.COMPLETED)
    file = ready.filter(job=job, name=name).select_related("shard").first()
    if file is None:
        raise Http404("This export has no file with this name.")
    what = {Shard.Kind.DELETED: f"deleted-{file.resource_type}", Shard.Kind.ERROR: "errors"}.get(
        Shard.Kind(file.shard.kind), file.resource_type
    )
    saved_as = f"{request.organization.entity_id}-export-{job.pk}-{file.shard.number + 1}-{what}.ndjson"
    try:
        return downloads.respond(request, file, by=request.actor, saved_as=saved_as)
    except downloads.OptedOutError:
        return render(request, "portal/exports/gone.html", {"job": job, "has_opted_out": True}, status=410)


def _job(request: MemberRequest, job_id: int) -> Job:
    found = (
        Job.objects.for_organization(request.organization)
        .select_related("organization", "client", "requested_by", "roster", "earlier_roster")
        .filter(pk=job_id)
        .first()
    )
    if found is None:
        raise Http404("Your organization has no export with this number.")
    return found


def _job_context(job: Job) -> dict[str, Any]:
    is_ready = job.status == Job.Status.COMPLETED and not job.has_expired
    files = list(job.files.select_related("shard")) if is_ready else []
    return {
        "job": job,
        "is_ready": is_ready,
        "progress": job.progress() if job.status == Job.Status.IN_PROGRESS else None,
        "files": files,
        "resource_total": sum(file.resource_count for file in files if file.shard.kind == Shard.Kind.OUTPUT),
        "byte_total": sum(file.raw_length for file in files),
    }


def _api_url(request: MemberRequest, asked: dict[str, Any]) -> str:
    """Return the API URL that starts the same export."""
    name = f"api-v{DEFAULT.number}"
    if asked["scope"].scope == Job.Scope.PATIENT:
        address = reverse(f"{name}:patient-export")
    else:
        address = reverse(f"{name}:group-export", args=[asked["scope"].rule.group_id])
    query = {"_type": ",".join(asked["resource_types"])}
    if asked["since"]:
        query["_since"] = asked["since"].isoformat(timespec="seconds")
    return request.build_absolute_uri(f"{address}?{urlencode(query, safe=',:')}")
