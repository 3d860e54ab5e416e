"""The operators' view of credentials. Organizations and people are edited here. Clients, secrets and keys can be looked
at, ended and rotated, people invited and removed, through the same verbs that their delegates use; tokens and the audit
trail are never changed.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import BaseUserCreationForm
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_variables

from credentials.clients import key_registration, revocation, rotation
from credentials.models import (
    AllowedAddress,
    AuditEvent,
    Client,
    ClientKey,
    ClientKeySet,
    ClientRevokedError,
    ClientSecret,
    Invitation,
    Membership,
    Organization,
    Program,
    User,
)
from credentials.models.client import EXPIRES_SOON
from credentials.people import invitations, organizations, team
from credentials.people.team_rules import TeamRefusedError
from credentials.trail import audit


class LookOnly:
    """Admin pages on which nothing can be added, changed or deleted."""

    fields: ClassVar[Any]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  # Django's signature
        """All that are shown, those included that no form may hold."""
        return self.fields or ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


class Ending(LookOnly):
    """Look-only pages of what can be ended, after a question, by operators who have the right to change it."""

    actions: Any = ["revoke"]

    def end(self, thing: Any, request: HttpRequest) -> bool:
        """End one; False when it had ended before."""
        raise NotImplementedError

    def has_revoke_permission(self: Any, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"credentials.change_{self.opts.model_name}"))

    @admin.action(description="Revoke the selected %(verbose_name_plural)s", permissions=["revoke"])
    def revoke(self: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Asks, and on the second time ends those that are live."""
        if "confirmed" not in request.POST:
            return _question(self, request, "admin/credentials/revoke.html", {"things": queryset})
        ended = sum(self._ended(thing, request) for thing in queryset)
        if ended:
            self.message_user(
                request, f"{ended} revoked. From the next request on they open nothing.", messages.SUCCESS
            )
        if left := len(queryset) - ended:
            self.message_user(request, f"{left} had ended before.", messages.WARNING)
        return None

    def _ended(self, thing: Any, request: HttpRequest) -> bool:
        try:
            return self.end(thing, request)
        except ClientRevokedError:
            return False


def _question(page: Any, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
    """A page between the list and the deed, within the administration."""
    shown = {**page.admin_site.each_context(request), "opts": page.opts, **context}
    response = TemplateResponse(request, template, shown)
    add_never_cache_headers(response)
    return response


class MembershipInline(LookOnly, admin.TabularInline[Membership, Organization]):
    """People come by invitations, and go under Memberships."""

    model = Membership
    fields = ["user", "role", "created_at"]


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    list_display = ["entity_id", "name", "program", "status", "termination_date", "is_sandbox"]
    readonly_fields = ["termination_date"]
    list_filter = ["program", "status", "is_sandbox"]
    search_fields = ["entity_id", "name"]
    inlines = [MembershipInline]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """An organization is denied, not deleted: its audit trail stays."""
        return False

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        """Make it, and change its status, by the verbs that write events."""
        by: Any = request.user
        status, obj.status = obj.status, form.initial.get("status", Organization.Status.ACTIVE)
        if change:
            super().save_model(request, obj, form, change)
        else:
            made = organizations.create_organization(
                entity_id=obj.entity_id,
                name=obj.name,
                program=Program(obj.program),
                is_sandbox=obj.is_sandbox,
                by=by,
                request=request,
            )
            obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001  # it is there now
            obj.refresh_from_db()
        state = dataclasses.replace(organizations.State.of(obj), status=Organization.Status(status))
        organizations.set_state(obj, state, by=by, request=request)


@admin.register(Membership)
class MembershipAdmin(LookOnly, admin.ModelAdmin[Membership]):
    """Who belongs to which organization. People come by invitations."""

    list_display = ["organization", "user", "role", "created_at"]
    list_filter = ["role", "organization__program"]
    list_select_related = ["organization", "user"]
    search_fields = ["organization__entity_id", "organization__name", "user__email", "user__name"]
    fields = ["organization", "user", "role", "created_at"]
    actions = ["remove"]

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("credentials.delete_membership"))

    @admin.action(description="Remove the selected member", permissions=["remove"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Membership]) -> HttpResponse | None:
        """Asks, and on the second time takes the person out; also the last one who manages credentials."""
        by: Any = request.user
        members = list(queryset.select_related("organization", "user")[:2])
        if len(members) != 1:
            self.message_user(request, "Select one member: each may have made something.", messages.ERROR)
            return None
        member = members[0]
        if request.POST.get("made") not in {"keep", "revoke"}:
            context = {"member": member, "made": team.made_by(member.user, member.organization)}
            return _question(self, request, "admin/credentials/remove.html", context)
        team.remove(member, revoke=request.POST["made"] == "revoke", by=by, as_operator=True, request=request)
        self.message_user(
            request, f"{member.user} does not belong to {member.organization} any more.", messages.SUCCESS
        )
        return None


class InvitationForm(forms.ModelForm[Invitation]):
    class Meta:
        model = Invitation
        fields = ["organization", "email", "name", "role"]

    def clean_email(self) -> str:
        try:
            return invitations.checked_email(self.cleaned_data["email"])
        except TeamRefusedError as refused:
            raise ValidationError(str(refused)) from refused


@admin.register(Invitation)
class InvitationAdmin(LookOnly, admin.ModelAdmin[Invitation]):
    """Invitations, above all of the first person of an organization. Links are in the mails alone."""

    form = InvitationForm
    list_display = [
        "organization",
        "email",
        "role",
        "created_at",
        "sent_at",
        "expires_at",
        "accepted_at",
        "withdrawn_at",
    ]
    list_filter = ["organization__program", "accepted_at", "withdrawn_at"]
    list_select_related = ["organization"]
    search_fields = ["organization__entity_id", "email"]
    autocomplete_fields = ["organization"]
    fields = [
        *("organization", "email", "name", "role", "created_at", "invited_by", "expires_at", "sent_at", "last_error"),
        *("accepted_at", "accepted_by", "withdrawn_at", "withdrawn_by"),
    ]
    actions = ["resend", "withdraw"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else InvitationForm.Meta.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_readonly_fields(request, obj) if obj else ()

    def changeform_view(self, request: HttpRequest, *arguments: Any, **named: Any) -> Any:
        """What the rules refuse is said, and nothing has changed."""
        try:
            return super().changeform_view(request, *arguments, **named)
        except TeamRefusedError as refused:
            self.message_user(request, f"Nobody was invited. {refused}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001  # Django's signature
        by: Any = request.user
        made = invitations.invite(
            obj.organization,
            email=obj.email,
            name=obj.name,
            role=obj.role,
            by=by,
            as_operator=True,
            request=request,
        )
        obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001  # it is there now

    def has_send_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("credentials.add_invitation"))

    @admin.action(description="Send the selected invitations again", permissions=["send"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        self._do(request, queryset, invitations.resend, "sent again. Only the new links work.")

    @admin.action(description="Withdraw the selected invitations", permissions=["send"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        self._do(request, queryset, invitations.withdraw, "withdrawn. Their links open nothing.")

    def _do(self, request: HttpRequest, queryset: QuerySet[Invitation], verb: Callable[..., Any], done: str) -> None:
        count = 0
        for invitation in queryset.select_related("organization"):
            try:
                count += bool(verb(invitation, by=request.user, as_operator=True, request=request))
            except TeamRefusedError as refused:
                self.message_user(request, f"Invitation {invitation.pk}: {refused}", messages.WARNING)
        self.message_user(request, f"{count} {done}", messages.SUCCESS if count else messages.WARNING)


class UserCreationForm(BaseUserCreationForm[User]):
    class Meta:
        model = User
        fields = ["email", "name"]


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    add_form = UserCreationForm
    ordering = ["email"]
    list_display = ["email", "name", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff"]
    search_fields = ["email", "name"]
    readonly_fields = ["last_login", "joined_at"]
    fieldsets = [
        (None, {"fields": ["email", "password", "name"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("When", {"fields": ["last_login", "joined_at"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "password1", "password2"]})]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """A person is switched off, not deleted: memberships would go with the person, and nobody would know."""
        return False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """The last step of saving, in the same transaction: now all that was changed is known."""
        super().save_related(request, form, formsets, change)
        person = form.instance
        if not change:
            self._record(audit.Action.PERSON_CREATED, person, request)
        elif form.changed_data:
            before, after = (
                {name: _in_words(values.get(name)) for name in form.changed_data}
                for values in (form.initial, form.cleaned_data)
            )
            self._record(audit.Action.PERSON_CHANGED, person, request, before=before, after=after)

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002  # Django's signature
        """Django's page; it also switches the sign-in by password off."""
        person = User.objects.filter(pk=id).first() if id.isascii() and id.isdigit() else None
        response = super().user_change_password(request, id, form_url)
        if person and person.password != User.objects.get(pk=person.pk).password:
            self._record(audit.Action.PASSWORD_CHANGED, person, request, by_means_of="administration")
        return response

    @staticmethod
    def _record(action: audit.Action, person: User, request: HttpRequest, **detail: Any) -> None:
        by = cast("User", request.user)
        audit.record_about_person(action, person, user=by, request=request, person=person.email, **detail)


def _in_words(value: Any) -> Any:
    """A value of a form, for the audit trail: of rows, their names."""
    return value if isinstance(value, bool | str | None) else sorted(str(each) for each in value)


class AllowedAddressInline(LookOnly, admin.TabularInline[AllowedAddress, Any]):
    model = AllowedAddress
    fields = ["slot", "address", "created_at", "created_by"]


class ClientSecretInline(LookOnly, admin.TabularInline[ClientSecret, Any]):
    model = ClientSecret
    fields = ["hint", "created_at", "created_by", "expires_at", "revoked_at", "last_used_at"]


class ClientKeyInline(LookOnly, admin.TabularInline[ClientKey, Any]):
    model = ClientKey
    fields = ["name", "kid", "algorithm", "bits", "created_at", "created_by", "revoked_at", "last_used_at"]


class ClientKeySetInline(LookOnly, admin.TabularInline[ClientKeySet, Any]):
    model = ClientKeySet
    fields = ["url", "created_at", "created_by", "revoked_at", "last_used_at"]


class StateFilter(admin.SimpleListFilter):
    """Clients by how they stand; see Client.state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  # Django's signature
        return [*((str(state), str(state.label)) for state in Client.State), ("unused", "Never used")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002
        now, wanted = timezone.now(), self.value()
        if wanted is None:
            return queryset
        if wanted == Client.State.REVOKED:
            return queryset.exclude(revoked_at=None)
        found = queryset.filter(revoked_at=None)
        if wanted == "unused":
            return found.filter(last_used_at=None)
        live = Q(secrets__slot__isnull=False, secrets__expires_at__gt=now)
        found = found.annotate(
            ends_at=Max("secrets__expires_at", filter=live),
            has_key=Exists(ClientKey.objects.live().filter(client=OuterRef("pk")))
            | Exists(ClientKeySet.objects.live().filter(client=OuterRef("pk"))),
        )
        soon = now + EXPIRES_SOON
        if wanted == Client.State.ACTIVE:
            return found.filter(Q(has_key=True) | Q(ends_at__gt=soon))
        of_secrets = found.filter(has_key=False)
        if wanted == Client.State.EXPIRING:
            return of_secrets.filter(ends_at__lte=soon)
        return of_secrets.filter(ends_at=None)


class ClientAdmin(Ending, admin.ModelAdmin[Any]):
    """django-oauth-toolkit registers it; see OAUTH2_PROVIDER in the settings."""

    list_display = ["name", "organization", "client_id", "state", "created", "last_used_at", "failed_attempts"]
    list_filter = [StateFilter, "organization__program", "organization__is_sandbox"]
    list_select_related = ["organization"]
    search_fields = ["name", "client_id", "organization__entity_id"]
    inlines = [AllowedAddressInline, ClientSecretInline, ClientKeyInline, ClientKeySetInline]
    fields = [
        *("organization", "name", "client_id", "state", "created", "created_by"),
        *(
            "last_used_at",
            "last_used_address",
            "failed_attempts",
            "last_failed_at",
            "last_failed_address",
            "revoked_at",
        ),
    ]
    actions = ["revoke", "rotate"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("secrets", "keys", "key_sets")

    @admin.display(description="state")
    def state(self, client: Client) -> str:
        is_denied = client.organization.status == Organization.Status.DENIED
        return "Access denied" if is_denied and client.revoked_at is None else str(client.state.label)

    def end(self, thing: Client, request: HttpRequest) -> bool:
        by: Any = request.user
        return revocation.revoke_client(thing, by=by, request=request)

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        return self.has_revoke_permission(request)

    @admin.action(description="Rotate the secret of the selected client", permissions=["rotate"])
    @sensitive_variables("secret")
    def rotate(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Asks, and on the second time shows the new secret. Sent again, the same form makes no other."""
        clients = list(queryset[:2])
        if len(clients) != 1:
            self.message_user(request, "Select one client: its new secret is shown once.", messages.ERROR)
            return None
        client = clients[0]
        newest = client.secrets.order_by("-created_at", "-pk").values_list("pk", flat=True).first() or 0
        if "confirmed" not in request.POST:
            context = {"client": client, "newest": newest, "overlaps": reversed(rotation.Overlap)}
            return _question(self, request, "admin/credentials/rotate.html", context)
        try:
            secret = _rotated(client, newest, request)
        except ValueError as refused:
            self.message_user(request, f"Nothing was changed. {refused}", messages.ERROR)
            return None
        return _question(self, request, "admin/credentials/secret.html", {"client": client, "secret": secret})


@transaction.atomic
def _rotated(client: Client, newest: int, request: HttpRequest) -> str:
    """The new secret. Raises ValueError, also when the form was made for an older secret than the `newest`."""
    by: Any = request.user
    Client.objects.locked(client)
    if request.POST.get("overlap", "") not in map(str, rotation.Overlap.values):
        raise ValueError("Choose for how long the old secret works on.")
    if request.POST.get("newest") != str(newest):
        raise ValueError("The secret has been replaced since the page was opened.")
    return rotation.rotate_secret(
        client, overlap=rotation.Overlap(int(request.POST["overlap"])), by=by, request=request
    )


@admin.register(ClientSecret)
class ClientSecretAdmin(Ending, admin.ModelAdmin[ClientSecret]):
    list_display = ["client", "hint", "created_at", "expires_at", "replaced_at", "revoked_at", "last_used_at"]
    list_filter = ["client__organization__program"]
    list_select_related = ["client"]
    search_fields = ["client__name", "client__client_id", "client__organization__entity_id", "hint"]
    date_hierarchy = "expires_at"
    fields = [
        *("client", "hint", "created_at", "created_by"),
        *("expires_at", "replaced_at", "revoked_at", "last_used_at"),
    ]

    def end(self, thing: ClientSecret, request: HttpRequest) -> bool:
        by: Any = request.user
        return revocation.revoke_secret(thing, by=by, request=request)


@admin.register(ClientKey)
class ClientKeyAdmin(Ending, admin.ModelAdmin[ClientKey]):
    list_display = ["client", "name", "kid", "algorithm", "bits", "created_at", "revoked_at", "last_used_at"]
    list_filter = ["algorithm", "client__organization__program"]
    list_select_related = ["client"]
    search_fields = ["client__name", "client__client_id", "client__organization__entity_id", "kid", "thumbprint"]
    fields = [
        *("client", "name", "kid", "algorithm", "bits", "thumbprint"),
        *("created_at", "created_by", "revoked_at", "last_used_at"),
    ]

    def end(self, thing: ClientKey, request: HttpRequest) -> bool:
        by: Any = request.user
        return key_registration.revoke_key(thing, by=by, request=request)


class AccessTokenAdmin(LookOnly, admin.ModelAdmin[Any]):
    """django-oauth-toolkit registers it. Nothing here can be used as a token: only the checksum is known."""

    list_display = ["application", "created", "expires", "scope"]
    list_select_related = ["application"]
    search_fields = ["application__client_id", "application__organization__entity_id"]
    fields = ["application", "secret", "created", "expires", "scope"]


class UnusedAdmin(LookOnly, admin.ModelAdmin[Any]):
    """For the toolkit's tables that the client_credentials grant has no use for: they are not shown."""

    def has_module_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(LookOnly, admin.ModelAdmin[AuditEvent]):
    list_display = ["occurred_at", "action", "outcome", "organization", "user", "client", "address"]
    list_filter = ["outcome", "action"]
    list_select_related = ["organization", "user", "client"]
    search_fields = ["organization__entity_id", "user__email", "client__client_id", "request_id"]
    date_hierarchy = "occurred_at"
