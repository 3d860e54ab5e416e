from django import forms

from portal.pages.rendering import UswdsRenderer


class RosterForm(forms.Form):
    """A roster, as CMS delivered it."""

    default_renderer = UswdsRenderer

    file = forms.FileField(
        label="Roster file",
        help_text="The CCLF archive with the name that CMS gave it, such as P.BCD.A9994.ZCY26.D261101.T1000000.",
        error_messages={
            "required": "Choose the roster file.",
            "empty": "This file is empty. Choose the roster file as CMS delivered it.",
        },
    )
