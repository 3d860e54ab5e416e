"""The administration of preferences: operators load files, add single preferences, and revert either."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from attribution import identifiers
from attribution.consent import ledger
from attribution.formats.base import BadFileName
from attribution.models import Preference, PreferenceChange
from attribution.problems import Problem
from credentials.actor import Actor
from credentials.admin.ending import question
from credentials.admin.look_only import LookOnly

EARLIEST_DATE = dt.date(1900, 1, 1)


class EntryForm(forms.ModelForm[PreferenceChange]):
    """One preference, as a beneficiary has told it."""

    mbi = forms.CharField(label="MBI", help_text="11 characters, with or without dashes.", max_length=20)
    choice = forms.ChoiceField(label="Preference", choices=[("N", "Don't share (N)"), ("Y", "Share (Y)")])
    effective_date = forms.DateField(help_text="From this day on. It can be in the future.")
    source = forms.CharField(help_text="Where the beneficiary said so, such as 1-800 or a letter.", max_length=32)

    class Meta:
        model = PreferenceChange
        fields: tuple[str, ...] = ()

    def clean_mbi(self) -> str:
        mbi: str = self.cleaned_data["mbi"].replace("-", "").upper()
        if problem := identifiers.problem(mbi):
            raise forms.ValidationError(problem)
        return mbi

    def clean_effective_date(self) -> dt.date:
        effective: dt.date = self.cleaned_data["effective_date"]
        if effective < EARLIEST_DATE:
            raise forms.ValidationError(f"The date must be {EARLIEST_DATE} or later.")
        return effective


class FileForm(forms.Form):
    file = forms.FileField(
        label="Preference file",
        help_text="The file of CMS with its original name, such as P#EFT.ON.ACO.NGD1800.DPRF.D260115.T1000009.",
        max_length=255,
    )


class RevertForm(forms.Form):
    reason = forms.CharField(max_length=255, help_text="It is kept in the audit trail. Don't write an MBI or a name.")


@admin.register(PreferenceChange)
class PreferenceChangeAdmin(LookOnly, admin.ModelAdmin[PreferenceChange]):
    """Each change of the ledger. There is no list of the preferences themselves: it would name beneficiaries."""

    change_list_template = "admin/attribution/preferences.html"
    list_display = (
        *("__str__", "kind", "state", "recorded_at", "recorded_by"),
        *("opt_out_count", "opt_in_count", "blank_count"),
    )
    list_filter = ("kind", "status")
    list_select_related = ("recorded_by", "reverted_by")
    search_fields = ("file_name", "sha256")
    ordering = ("-id",)
    fields = (
        *("kind", "state", "file_name", "sha256", "recorded_at", "recorded_by"),
        *("opt_out_count", "opt_in_count", "blank_count", "reverts", "reason", "why_it_was_refused"),
    )
    actions = ("revert",)

    @admin.display(description="state")
    def state(self, change: PreferenceChange) -> str:
        return "Reverted" if hasattr(change, "reverted_by") else str(change.get_status_display())

    @admin.display(empty_value="-")
    def why_it_was_refused(self, change: PreferenceChange) -> SafeString:
        """Return one line for each problem, as the command writes them."""
        return format_html_join("", "{}<br>", ((str(Problem(**problem)),) for problem in change.problems))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        return bool(request.user.has_perm("attribution.add_preferencechange"))

    def has_revert_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("attribution.change_preferencechange"))

    # --- One preference ---

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002  # Django's signature
        return super().get_form(request, obj, change, **options) if obj else EntryForm

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        return self.fields if obj else ("mbi", "choice", "effective_date", "source")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_readonly_fields(request, obj) if obj else ()

    def save_model(self, request: HttpRequest, obj: PreferenceChange, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        """Add the preference with the function that writes the audit event."""
        told = form.cleaned_data
        made = ledger.record(
            mbi=told["mbi"],
            choice=Preference.Choice(told["choice"]),
            effective_date=told["effective_date"],
            source=told["source"],
            by=Actor.of_request(request),
        )
        obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001  # it is there now
        obj.refresh_from_db()

    # --- A file ---

    def get_urls(self) -> list[URLPattern]:
        load = path("load/", self.admin_site.admin_view(self.load), name="attribution_preferencechange_load")
        return [load, *super().get_urls()]

    def load(self, request: HttpRequest) -> HttpResponse:
        """Load a preference file, and show what came of it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = FileForm(request.POST, request.FILES) if request.method == "POST" else FileForm()
        if form.is_valid():
            upload = form.cleaned_data["file"]
            try:
                change = ledger.load_file(upload.file, file_name=upload.name, by=Actor.of_request(request))
            except BadFileName as bad_name:
                form.add_error("file", str(bad_name))
            else:
                self._say(request, change)
                return redirect(reverse("admin:attribution_preferencechange_change", args=[change.pk]))
        return question(self, request, "admin/attribution/load_preferences.html", {"form": form})

    def _say(self, request: HttpRequest, change: PreferenceChange) -> None:
        if change.status == PreferenceChange.Status.ACCEPTED:
            self.message_user(request, "The file was loaded. Exports obey it from now on.", messages.SUCCESS)
        else:
            self.message_user(request, "The file was refused, and nothing was changed. See why below.", messages.ERROR)

    # --- Reverting ---

    @admin.action(description="Revert the selected change", permissions=["revert"])
    def revert(self, request: HttpRequest, queryset: QuerySet[PreferenceChange]) -> HttpResponse | None:
        """Ask for a reason, then revert."""
        changes = list(queryset[:2])
        if len(changes) != 1:
            self.message_user(request, "Select only one change.", messages.ERROR)
            return None
        form = RevertForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            context = {"form": form, "change": changes[0]}
            return question(self, request, "admin/attribution/revert_preferences.html", context)
        try:
            ledger.revert(changes[0], reason=form.cleaned_data["reason"], by=Actor.of_request(request))
        except ledger.NotRevertibleError as refused:
            self.message_user(request, f"Nothing was changed. {refused}", messages.ERROR)
        else:
            self.message_user(request, "Reverted. Exports obey it from now on.", messages.SUCCESS)
        return None
