"""The administration of exports and of the claims store: operators can view both, cancel jobs, and revert loads."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from credentials.actor import Actor
from credentials.admin.look_only import LookOnly
from exports import kickoff
from exports.claims.undo import CannotTakeBackError, take_back
from exports.models import Job, Load, OutputFile, Shard


class ShardInline(LookOnly, admin.TabularInline[Shard, Job]):
    model = Shard
    fields = [
        *("number", "kind", "resource_type", "population", "resource_count", "raw_length", "is_sized"),
        *("status", "attempts", "bytes_written", "lease_until", "last_error"),
    ]


class OutputFileInline(LookOnly, admin.TabularInline[OutputFile, Job]):
    model = OutputFile
    fields = ["name", "resource_type", "resource_count", "raw_length", "stored_length", "written_at"]


@admin.register(Job)
class JobAdmin(LookOnly, admin.ModelAdmin[Job]):
    list_display = ["id", "organization", "client", "requested_by", "endpoint", "status", "created_at", "finished_at"]
    list_filter = ["status", "scope", "cohort_rule", "source", "version"]
    list_select_related = ["organization", "client", "requested_by"]
    search_fields = ["=id", "organization__entity_id", "client__client_id"]
    date_hierarchy = "created_at"
    inlines = [ShardInline, OutputFileInline]
    actions = ["cancel"]

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("exports.change_job")

    @admin.action(description="Cancel the selected jobs", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        cancelled = sum(
            kickoff.cancel(job, by=Actor.of_request(request)) for job in queryset.select_related("organization")
        )
        left = len(queryset) - cancelled
        if cancelled:
            self.message_user(request, f"{cancelled} cancelled.", messages.SUCCESS)
        if left:
            self.message_user(request, f"{left} already finished. Nothing changed for them.", messages.WARNING)


@admin.register(Load)
class LoadAdmin(LookOnly, admin.ModelAdmin[Load]):
    list_display = [
        "id",
        "source",
        "api_versions",
        "loaded_at",
        "resource_count",
        "raw_length",
        "takes_back",
        "closed_at",
    ]
    list_select_related = ["takes_back"]
    search_fields = ["source"]
    actions = ["take_back"]

    def has_take_back_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("exports.change_load")

    @admin.action(description="Revert the selected loads, the last one first", permissions=["take_back"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Load]) -> None:
        for load in queryset.order_by("-id"):
            try:
                undoing = take_back(load)
            except CannotTakeBackError as error:
                self.message_user(request, str(error), messages.ERROR)
                return
            self.message_user(request, f"Load {load.pk} was reverted by load {undoing.pk}.", messages.SUCCESS)
