"""The warning before a session ends."""

from typing import Any

from django import template
from django.http import HttpRequest

from portal.sign_in import sessions

register = template.Library()


@register.inclusion_tag("components/session_warning.html", takes_context=True)
def session_warning(context: template.Context) -> dict[str, Any]:
    """A dialog that static/js/session.js opens two minutes before the end."""
    request: HttpRequest = context["request"]
    return {"seconds": sessions.remaining(request).seconds, "csrf_token": context.get("csrf_token")}
