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
    """A public key and its name. The pasted text is shown again only if it is a public key."""

    default_renderer = UswdsRenderer

    name = forms.CharField(
        label="Name",
        help_text="Where you keep the private key, for example “Warehouse, 2026”.",
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Enter a name for the key.",
            "max_length": f"Use {NAME_LENGTH} characters or fewer.",
        },
    )
    pasted = forms.CharField(
        label="Public key",
        help_text="A JWK, a JWK Set, or PEM text that starts with “BEGIN PUBLIC KEY”.",
        max_length=PASTED_AT_MOST,
        widget=forms.Textarea(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "rows": 9}
        ),
        error_messages={
            "required": "Paste the public key.",
            "max_length": "This text is too long for a public key. Paste only the public key.",
        },
    )
    kid = forms.CharField(
        label="Key ID (kid), only for a PEM key",
        help_text="The kid that your system puts in the header of its assertions. A JWK already has one. For a PEM "
        "key, we use the thumbprint if you leave this empty.",
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
            # It may be a secret in an unknown format, so it isn't sent back.
            self.data = {name: self.data.get(name) for name in self.fields} | {"pasted": ""}
        return self.cleaned_data


class KeySetForm(forms.Form):
    """The URL where a client publishes its keys."""

    default_renderer = UswdsRenderer

    url = forms.CharField(
        label="Key set URL",
        help_text="It starts with https:// and returns a JWK Set, for example "
        "https://keys.example.org/jwks.json. We don’t follow redirects.",
        max_length=jwks.URL_LENGTH_AT_MOST,
        widget=forms.TextInput(attrs={**AS_TYPED, "inputmode": "url", "maxlength": jwks.URL_LENGTH_AT_MOST}),
        error_messages={"required": "Enter the URL."},
    )

    def __init__(self, *arguments: Any, client: Client, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._client = client

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if why := jwks.problem(url, key_registration.policy_for(self._client)):
            raise ValidationError(why, code="refused")
        return url
