"""What is asked when a secret is replaced or ended."""

from typing import Any

from django import forms

from credentials.clients.rotation import Overlap
from portal.pages.choices import Choice
from portal.pages.rendering import UswdsRenderer

OVERLAPS = {
    Overlap.THREE_DAYS: Choice(
        "Keep it for 72 hours (recommended)",
        "Your system goes on as it is until somebody has put the new secret in. Long enough for a weekend.",
    ),
    Overlap.DAY: Choice("Keep it for 24 hours", "When you will put the new secret in today."),
    Overlap.NONE: Choice(
        "End the old secret now: it may have leaked",
        "Its access tokens end with it. Your system can fetch nothing until it has the new secret.",
    ),
}
KEEP, CANCEL = "keep", "cancel"


class RotationForm(forms.Form):
    """For how long the old secret lives on. `can_overlap` is false when there are two already."""

    default_renderer = UswdsRenderer

    overlap = forms.TypedChoiceField(
        label="What shall become of the old secret?",
        coerce=lambda hours: Overlap(int(hours)),
        choices=[(str(overlap.value), choice) for overlap, choice in OVERLAPS.items()],
        initial=str(Overlap.THREE_DAYS.value),
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what shall become of the old secret."},
    )


class EndingForm(forms.Form):
    """What shall become of the exports that a client has started."""

    default_renderer = UswdsRenderer

    exports = forms.ChoiceField(
        label="What shall become of the exports that it has started?",
        choices=[
            (KEEP, Choice("They go on", "Your other clients, and you, can fetch their files.")),
            (CANCEL, Choice("They are cancelled", "When you do not know who started them. They stop at once.")),
        ],
        initial=KEEP,
        required=False,
        widget=forms.RadioSelect,
    )

    def __init__(self, *arguments: Any, running: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if running:
            runs = "1 is running now" if running == 1 else f"{running} are running now"
            self.fields["exports"].help_text = f"{runs}. Files that are ready can be fetched in either case."

    @property
    def cancels_exports(self) -> bool:
        return bool(self.cleaned_data["exports"] == CANCEL)
