"""The administration of sign-in. Shows nothing secret. Operators can only view and remove."""

from typing import Any

# These register their own pages, some of which show secrets. Ours replace them.
import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin
import allauth.usersessions.admin  # noqa: F401
from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from credentials.actor import Actor
from credentials.admin.look_only import LookOnly
from credentials.models import User
from portal.sign_in import second_factor, sessions

for model in (EmailAddress, EmailConfirmation, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Authenticator)
class AuthenticatorAdmin(LookOnly, admin.ModelAdmin[Authenticator]):
    """The verification methods of users. The action helps users who lost theirs."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__name"]
    fields = ["user", "type", "created_at", "last_used_at"]
    actions = ["take_away"]

    @admin.action(description="Remove two-factor authentication of these users and sign them out")
    def take_away(self, request: HttpRequest, queryset: "QuerySet[Authenticator]") -> None:
        if not self.has_take_away_permission(request):
            return
        for person in User.objects.filter(pk__in=queryset.values("user")):
            second_factor.remove_all(person, by=Actor.of_request(request))
            messages.success(
                request,
                f"Two-factor authentication of {person.email} was removed. "
                "They can sign in with their password and set it up again.",
            )

    def has_take_away_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("credentials.change_user"))


@admin.register(SocialAccount)
class LinkedAccountAdmin(LookOnly, admin.ModelAdmin[SocialAccount]):
    """Accounts at identity providers, and the users they are linked to."""

    list_display = ["user", "provider", "date_joined", "last_login"]
    list_filter = ["provider"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__name"]
    fields = ["user", "provider", "extra_data", "date_joined", "last_login"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow removing the link. The user can link again by a verified email address."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(UserSession)
class SessionAdmin(LookOnly, admin.ModelAdmin[UserSession]):
    """The sessions of users."""

    list_display = ["user", "created_at", "last_seen_at", "ip", "user_agent"]
    list_select_related = ["user"]
    search_fields = ["user__email", "ip"]
    fields = ["user", "created_at", "last_seen_at", "ip", "user_agent"]
    actions = ["sign_out"]

    @admin.action(description="Sign out")
    def sign_out(self, request: HttpRequest, queryset: "QuerySet[UserSession]") -> None:
        if request.user.has_perm("credentials.change_user"):
            messages.success(request, f"Sessions ended: {sessions.end(queryset)}.")
