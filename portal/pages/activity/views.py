"""The activity of an organization: its part of the audit trail, to read and to download."""

from collections.abc import Callable, Iterator

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from credentials.models import AuditEvent
from credentials.models.audit_event import AuditEventQuerySet
from credentials.trail import activity
from portal.pages.activity import paging
from portal.pages.activity.forms import FilterForm
from portal.pages.scoping import MemberRequest, member_required
from portal.words import wording


@member_required()
@require_GET
def audit(request: MemberRequest) -> HttpResponse:
    form = FilterForm(request.GET, organization=request.organization)
    if not form.is_valid():
        return _refused(request, form)
    events = form.wanted.of(AuditEvent.objects.for_organization(request.organization))
    page = paging.page_of(events, before=request.GET.get("before", ""), after=request.GET.get("after", ""))
    rows = [(event, wording.title_of(event.action), wording.facts_of(event)) for event in page.events]
    context = {"form": form, "rows": rows, "page": page, "query": _query(request)}
    return render(request, "portal/activity/list.html", context)


@member_required()
@require_GET
def audit_as_csv(request: MemberRequest) -> HttpResponseBase:
    return _streamed(request, activity.csv_lines, "csv", "text/csv; charset=utf-8")


@member_required()
@require_GET
def audit_as_ndjson(request: MemberRequest) -> HttpResponseBase:
    return _streamed(request, activity.ndjson_lines, "ndjson", "application/x-ndjson")


def _streamed(
    request: MemberRequest, lines: Callable[[AuditEventQuerySet], Iterator[str]], ending: str, content_type: str
) -> HttpResponseBase:
    """Return the events that match the filters, as a streamed file."""
    form = FilterForm(request.GET, organization=request.organization)
    if not form.is_valid():
        return _refused(request, form)
    events = form.wanted.of(AuditEvent.objects.for_organization(request.organization))
    name = f"{request.organization.entity_id}-activity-{timezone.now():%Y-%m-%d}.{ending}"
    return StreamingHttpResponse(
        lines(events), content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _refused(request: MemberRequest, form: FilterForm) -> HttpResponse:
    return render(request, "portal/activity/list.html", {"form": form, "rows": [], "page": None}, status=400)


def _query(request: MemberRequest) -> str:
    """Return the filters as a query string, without the page."""
    asked = request.GET.copy()
    for place in ("before", "after"):
        asked.pop(place, None)
    return asked.urlencode()
