"""The public keys of a client: pasted, or fetched from a URL."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from credentials.clients import jwks, key_registration, keys
from credentials.models import Client
from portal.pages.clients.forms import AS_TYPED, NAME_LENGTH
from portal.pages.rendering import UswdsRenderer

PASTED_AT_MOST = 64 * 1024


class KeyForm(forms.Form):
    """A public key and a name for it. What was pasted is shown again only when it is known to be a public key."""

    default_renderer = UswdsRenderer

    name = forms.CharField(
        label="Name",
        help_text="Where its private half is kept, for example “Warehouse, 2026”.",
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Give the key a name.",
            "max_length": f"Use {NAME_LENGTH} characters at most.",
        },
    )
    pasted = forms.CharField(
        label="Public key",
        help_text="A JWK, a JWK Set, or PEM text that begins with “BEGIN PUBLIC KEY”.",
        max_length=PASTED_AT_MOST,
        widget=forms.Textarea(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "rows": 9}
        ),
        error_messages={
            "required": "Paste the public key.",
            "max_length": "This is too long for a public key.",
        },
    )
    kid = forms.CharField(
        label="Key ID (kid), of a PEM key only",
        help_text="What your system writes into the header of its assertions. A JWK has its own; a PEM key without one "
        "gets its thumbprint.",
        max_length=keys.KID_LENGTH_AT_MOST,
        required=False,
        widget=forms.TextInput(attrs={**AS_TYPED, "maxlength": keys.KID_LENGTH_AT_MOST}),
    )

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.has_private_key = False

    def clean(self) -> dict[str, Any]:
        pasted = self.cleaned_data.get("pasted")
        try:
            if pasted is not None:
                keys.read(pasted, kid=self.cleaned_data.get("kid", ""))
        except keys.KeyRefusedError as refused:
            self.has_private_key = isinstance(refused, keys.PrivateKeyRefusedError)
            self.add_error("pasted", str(refused))
        if "pasted" in self.errors:
            # It may be a secret in a form that is not known here, so it does not travel back.
            self.data = {name: self.data.get(name) for name in self.fields} | {"pasted": ""}
        return self.cleaned_data


class KeySetForm(forms.Form):
    """The URL at which a client publishes its keys."""

    default_renderer = UswdsRenderer

    url = forms.CharField(
        label="URL of the key set",
        help_text="It begins with https:// and answers with a JWK Set, for example "
        "https://keys.example.org/jwks.json. Redirects are not followed.",
        max_length=jwks.URL_LENGTH_AT_MOST,
        widget=forms.TextInput(attrs={**AS_TYPED, "inputmode": "url", "maxlength": jwks.URL_LENGTH_AT_MOST}),
        error_messages={"required": "Give the URL."},
    )

    def __init__(self, *arguments: Any, client: Client, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._client = client

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if why := jwks.problem(url, key_registration.policy_for(self._client)):
            raise ValidationError(why, code="refused")
        return url
