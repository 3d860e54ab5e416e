from django import forms

from portal.pages.rendering import UswdsRenderer


class RosterForm(forms.Form):
    """The roster file that CMS sent."""

    default_renderer = UswdsRenderer

    file = forms.FileField(
        label="Roster file",
        help_text="The CCLF archive, with the name that CMS gave it. For example: P.BCD.A9994.ZCY26.D261101.T1000000.",
        error_messages={
            "required": "Choose the roster file.",
            "empty": "This file is empty. Choose the file exactly as CMS sent it.",
        },
    )
