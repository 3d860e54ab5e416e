"""The administration of attribution. Operators can view rosters and beneficiaries, which only load_roster adds."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from attribution.consent.admin import PreferenceChangeAdmin
from attribution.models import Beneficiary, RosterFile
from attribution.problems import Problem
from credentials.admin.look_only import LookOnly

__all__ = ["BeneficiaryAdmin", "PreferenceChangeAdmin", "RosterFileAdmin"]


@admin.register(RosterFile)
class RosterFileAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # has none at run time
    list_display = (
        "file_name",
        "organization",
        "kind",
        "performance_year",
        "status",
        "received_at",
        "beneficiary_count",
        "joined_count",
        "left_count",
    )
    list_filter = ("status", "kind", "performance_year", ("organization", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("organization",)
    search_fields = ("file_name", "organization__entity_id", "organization__name", "sha256")
    date_hierarchy = "received_at"
    ordering = ("-received_at", "-id")
    fields = (
        "organization",
        "kind",
        "status",
        "file_name",
        "sha256",
        "performance_year",
        "file_timestamp",
        "received_at",
        "received_from",
        "published_at",
        "beneficiary_count",
        "joined_count",
        "left_count",
        "why_it_was_refused",
        "what_is_unusual",
    )

    @admin.display(empty_value="-")
    def why_it_was_refused(self, roster: RosterFile) -> SafeString:
        """Return one line for each problem, as the command writes them."""
        return _lines(roster.problems)

    @admin.display(empty_value="-")
    def what_is_unusual(self, roster: RosterFile) -> SafeString:
        """Return one line for each warning."""
        return _lines(roster.warnings)


def _lines(problems: list[dict[str, Any]]) -> SafeString:
    return format_html_join("", "{}<br>", ((str(Problem(**problem)),) for problem in problems))


@admin.register(Beneficiary)
class BeneficiaryAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # has none at run time
    """Finds the beneficiary with an MBI. There is no list to browse."""

    list_display = ("__str__", "created_at")
    search_fields = ("mbis__value",)  # shows the search box; get_search_results does the search
    search_help_text = "Enter the whole MBI: 11 characters, without dashes."
    show_full_result_count = False
    fields = ("created_at", "all_mbis", "rosters")

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002  # Django's call
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        # A part of an MBI finds no one, and an empty search doesn't either: the list can't be browsed.
        return queryset.filter(mbis__value=search_term.strip().upper()), False

    @admin.display(description="MBIs")
    def all_mbis(self, beneficiary: Beneficiary) -> str:
        return ", ".join(beneficiary.mbis.order_by("value").values_list("value", flat=True))

    def rosters(self, beneficiary: Beneficiary) -> SafeString:
        """Return the published rosters with this beneficiary, newest first, one on each line."""
        entries = beneficiary.roster_entries.select_related("roster__organization").order_by("-roster__file_timestamp")
        return format_html_join(
            "", "{}, {}<br>", ((entry.roster.organization, entry.roster.file_name) for entry in entries)
        )
