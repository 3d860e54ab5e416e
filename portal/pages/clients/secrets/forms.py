"""The questions when a secret is rotated or revoked."""

from typing import Any

from django import forms

from credentials.clients.rotation import Overlap
from portal.pages.choices import Choice
from portal.pages.rendering import UswdsRenderer

OVERLAPS = {
    Overlap.THREE_DAYS: Choice(
        "Keep it for 72 hours (recommended)",
        "Your system keeps running until you add the new secret to it. Long enough for a weekend.",
    ),
    Overlap.DAY: Choice("Keep it for 24 hours", "Choose this if you’ll add the new secret to your system today."),
    Overlap.NONE: Choice(
        "Revoke it now",
        "Choose this if the secret may have leaked. Its access tokens are no longer valid either. Your system can’t "
        "download anything until it has the new secret.",
    ),
}
KEEP, CANCEL = "keep", "cancel"


class RotationForm(forms.Form):
    """How long the old secret stays valid."""

    default_renderer = UswdsRenderer

    overlap = forms.TypedChoiceField(
        label="What should happen to the old secret?",
        coerce=lambda hours: Overlap(int(hours)),
        choices=[(str(overlap.value), choice) for overlap, choice in OVERLAPS.items()],
        initial=str(Overlap.THREE_DAYS.value),
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what should happen to the old secret."},
    )


class EndingForm(forms.Form):
    """What should happen to the exports that a client started."""

    default_renderer = UswdsRenderer

    exports = forms.ChoiceField(
        label="What should happen to its running exports?",
        choices=[
            (KEEP, Choice("Keep running", "You and your other clients can download the files.")),
            (CANCEL, Choice("Cancel them", "Choose this if you don’t know who started them. They stop immediately.")),
        ],
        initial=KEEP,
        required=False,
        widget=forms.RadioSelect,
    )

    def __init__(self, *arguments: Any, running: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if running:
            runs = "1 is running now" if running == 1 else f"{running} are running now"
            self.fields["exports"].help_text = f"{runs}. You can download finished files either way."

    @property
    def cancels_exports(self) -> bool:
        return bool(self.cleaned_data["exports"] == CANCEL)
