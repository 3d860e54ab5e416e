"""An invitation, as the pages send it and as it is accepted."""

import re

from django.test import Client as Browser

from credentials.models import AuditEvent, Invitation, Membership
from credentials.trail.audit import Action

TEAM = "/organizations/A9994/team"
EMAIL = "new@harbor.example"
NEW_PASSWORD = "three small boats at dawn"
LINK = re.compile(r"http://localhost:8000(/invitation\?link=\S+)")
JOIN = {"name": "New Person", "password1": NEW_PASSWORD, "responsibility": "taken"}
OVER = "This link is no longer valid"


def invite(browser: Browser, email: str = EMAIL, **fields):
    return browser.post(f"{TEAM}/invite", {"email": email, **fields})


def accept(visitor: Browser, link: str, **fields):
    visitor.get(link)
    return visitor.post("/invitation", {**JOIN, "invitation": Invitation.objects.latest("pk").pk, **fields})


def is_member(email: str = EMAIL) -> bool:
    return Membership.objects.filter(organization__entity_id="A9994", user__email=email).exists()


def refusals() -> list[str]:
    return [event.detail["reason"] for event in AuditEvent.objects.filter(action=Action.INVITATION_REFUSED)]
