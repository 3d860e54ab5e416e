from django.contrib import admin

from credentials.admin.look_only import LookOnly
from credentials.models import (
    AuditEvent,
)


@admin.register(AuditEvent)
class AuditEventAdmin(LookOnly, admin.ModelAdmin[AuditEvent]):
    list_display = ["occurred_at", "action", "outcome", "organization", "user", "client", "address"]
    list_filter = ["outcome", "action"]
    list_select_related = ["organization", "user", "client"]
    search_fields = ["organization__entity_id", "user__email", "client__client_id", "request_id"]
    date_hierarchy = "occurred_at"
