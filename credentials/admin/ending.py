"""Pages of things that operators can revoke, after a confirmation."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers

from credentials.admin.look_only import LookOnly
from credentials.models import (
    ClientRevokedError,
)


class Ending(LookOnly):
    """Look-only pages of things that operators with the right to change them can revoke, after a confirmation."""

    actions: Any = ["revoke"]

    def end(self, thing: Any, request: HttpRequest) -> bool:
        """Revoke one. Return False if it was already revoked."""
        raise NotImplementedError

    def has_revoke_permission(self: Any, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"credentials.change_{self.opts.model_name}"))

    @admin.action(description="Revoke the selected %(verbose_name_plural)s", permissions=["revoke"])
    def revoke(self: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for confirmation, then revoke those that are live."""
        if "confirmed" not in request.POST:
            return question(self, request, "admin/credentials/revoke.html", {"things": queryset})
        ended = sum(self._ended(thing, request) for thing in queryset)
        if ended:
            self.message_user(request, f"{ended} revoked. They stop working at the next request.", messages.SUCCESS)
        if left := len(queryset) - ended:
            self.message_user(
                request, f"{left} already revoked or expired. Nothing changed for them.", messages.WARNING
            )
        return None

    def _ended(self, thing: Any, request: HttpRequest) -> bool:
        try:
            return self.end(thing, request)
        except ClientRevokedError:
            return False


def question(page: Any, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
    """Return a confirmation page in the administration."""
    shown = {**page.admin_site.each_context(request), "opts": page.opts, **context}
    response = TemplateResponse(request, template, shown)
    add_never_cache_headers(response)
    return response
