"""The problems of a refused roster, as a file: to send to whoever can mend them."""

import csv

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_GET

from attribution.models import RosterFile
from credentials.trail.spreadsheet import cell
from portal.pages.scoping import MemberRequest, member_required


@member_required()
@require_GET
def problems_as_csv(request: MemberRequest, roster_id: int) -> HttpResponse:
    """Return the list that the page of the roster shows. No cell is a formula in a spreadsheet."""
    roster = RosterFile.objects.for_organization(request.organization).filter(pk=roster_id).first()
    if roster is None or not roster.problems:
        raise Http404("Your organization has no refused roster with this number.")
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = (
        f'attachment; filename="{request.organization.entity_id}-problems-{roster.pk}.csv"'
    )
    lines = csv.writer(response)
    lines.writerow(["roster", "file", "line", "column", "reason"])
    for problem in roster.problems:
        place = ["" if problem[part] is None else problem[part] for part in ("line", "column")]
        lines.writerow([cell(roster.file_name), cell(problem["file"]), *place, cell(problem["reason"])])
    return response
