from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from credentials.actor import Actor
from credentials.admin.ending import question
from credentials.admin.look_only import LookOnly
from credentials.models import (
    Membership,
)
from credentials.people import team


@admin.register(Membership)
class MembershipAdmin(LookOnly, admin.ModelAdmin[Membership]):
    """Which users belong to which organization. Users join by invitation."""

    list_display = ["organization", "user", "role", "created_at"]
    list_filter = ["role", "organization__program_code"]
    list_select_related = ["organization", "user"]
    search_fields = ["organization__entity_id", "organization__name", "user__email", "user__name"]
    fields = ["organization", "user", "role", "created_at"]
    actions = ["remove"]

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("credentials.delete_membership"))

    @admin.action(description="Remove the selected team member", permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Membership]) -> HttpResponse | None:
        """Ask for confirmation, then remove the team member, even the last one who manages credentials."""
        members = list(queryset.select_related("organization", "user")[:2])
        if len(members) != 1:
            self.message_user(
                request, "Select only one team member. Each may have created API credentials.", messages.ERROR
            )
            return None
        member = members[0]
        if request.POST.get("made") not in {"keep", "revoke"}:
            context = {"member": member, "made": team.made_by(member.user, member.organization)}
            return question(self, request, "admin/credentials/remove.html", context)
        team.remove(member, revoke=request.POST["made"] == "revoke", by=Actor.of_request(request), as_operator=True)
        self.message_user(
            request, f"{member.user} is no longer a team member of {member.organization}.", messages.SUCCESS
        )
        return None
