"""The administration of attribution. Operators can view beneficiaries and rosters, which are loaded elsewhere; approve
and discard previews; and roll back a roster that was published by mistake.
"""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from attribution import loading
from attribution.consent.admin import PreferenceChangeAdmin
from attribution.models import Beneficiary, RosterFile
from attribution.problems import Problem
from credentials.actor import Actor
from credentials.admin.ending import question
from credentials.admin.look_only import LookOnly
from credentials.models import User

__all__ = ["BeneficiaryAdmin", "PreferenceChangeAdmin", "RosterFileAdmin"]

REASON_AT_MOST = 500


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
    actions = ("approve", "discard", "roll_back")
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
        "approval_asked_at",
        "approval_asked_by",
        "swing_reason",
        "published_at",
        "published_by",
        "rolled_back_at",
        "rolled_back_by",
        "rollback_reason",
        "discarded_at",
        "discarded_by",
        "beneficiary_count",
        "joined_count",
        "left_count",
        "why_it_was_refused",
        "what_is_unusual",
    )

    def has_decide_permission(self, request: HttpRequest) -> bool:
        user = cast("User", request.user)
        return user.has_perm("attribution.change_rosterfile")

    @admin.action(description="Approve and publish the selected rosters", permissions=["decide"])
    def approve(self, request: HttpRequest, queryset: QuerySet[RosterFile]) -> None:
        def approve(roster: RosterFile) -> str:
            loading.approve(roster, by=Actor.of_request(request), as_operator=True)
            return "was published"

        self._each(request, queryset, approve)

    @admin.action(description="Discard the selected rosters, which are not published", permissions=["decide"])
    def discard(self, request: HttpRequest, queryset: QuerySet[RosterFile]) -> None:
        def discard(roster: RosterFile) -> str:
            loading.discard(roster, by=Actor.of_request(request))
            return "was discarded"

        self._each(request, queryset, discard)

    @admin.action(description="Roll back the selected rosters", permissions=["decide"])
    def roll_back(self, request: HttpRequest, queryset: QuerySet[RosterFile]) -> HttpResponse | None:
        """Ask for a reason, then bring back the rosters before."""
        reason = request.POST.get("reason", "").strip()[:REASON_AT_MOST]
        if not reason:
            return question(self, request, "admin/attribution/roll_back.html", {"rosters": queryset})

        def roll_back(roster: RosterFile) -> str:
            restored = loading.roll_back(roster, reason=reason, by=Actor.of_request(request))
            return f"was rolled back. In force now: {restored or 'none'}"

        self._each(request, queryset.order_by("-performance_year", "-file_timestamp", "-id"), roll_back)
        return None

    def _each(self, request: HttpRequest, rosters: QuerySet[RosterFile], act: Callable[[RosterFile], str]) -> None:
        for roster in rosters.select_related("organization"):
            try:
                self.message_user(request, f"{roster} {act(roster)}.", messages.SUCCESS)
            except (loading.CannotPublishError, loading.CannotDiscardError, loading.CannotRollBackError) as error:
                self.message_user(request, f"{roster}: {error}", messages.WARNING)

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
