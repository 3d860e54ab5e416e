"""The forms of the credentials pages: a client's name, and its eight slots for addresses."""

from collections.abc import Mapping
from typing import Any

from django import forms

from credentials.access import gate
from credentials.clients import allow_lists
from credentials.models import ADDRESSES_AT_MOST, Client, Organization
from portal.pages.rendering import UswdsRenderer

NAME_LENGTH = 64
AS_TYPED = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "maxlength": 64}
SLOTS = tuple(f"address_{slot}" for slot in range(1, ADDRESSES_AT_MOST + 1))


class AddressesForm(forms.Form):
    """Up to eight addresses, a field each. `addresses` holds the accepted ones; each reason stands at its field."""

    default_renderer = UswdsRenderer

    def __init__(self, *arguments: Any, organization: Organization, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.organization = organization
        self.addresses: list[str] = []
        for number, slot in enumerate(SLOTS, start=1):
            self.fields[slot] = forms.CharField(
                label=f"Address {number}", required=False, widget=forms.TextInput(attrs=AS_TYPED)
            )

    @classmethod
    def of_client(
        cls, client: Client, data: Any = None, *, offered: str = "", kept: Mapping[str, str] | None = None
    ) -> "AddressesForm":
        """The form as it stands for `client`, with one more address that is `offered`; or as it was kept, or sent."""
        listed = [*map(str, client.addresses.all()), offered]
        initial = kept or dict(zip(SLOTS, listed, strict=False))
        return cls(data, organization=client.organization, initial=initial)

    @property
    def slots(self) -> list[forms.BoundField]:
        return [self[slot] for slot in SLOTS]

    def clean(self) -> dict[str, Any]:
        filled = [slot for slot in SLOTS if self.cleaned_data.get(slot)]
        try:
            self.addresses = allow_lists.checked_addresses(
                [self.cleaned_data[slot] for slot in filled], allows_loopback=gate.allows_loopback(self.organization)
            )
        except allow_lists.AddressesRefusedError as refused:
            for place, reason in refused.reasons.items():
                self.add_error(filled[place] if filled else SLOTS[0], reason)
        return self.cleaned_data


class ClientForm(AddressesForm):
    """A new client: what to call it, and from where it will call."""

    name = forms.CharField(
        label="Name",
        help_text="The system that will use it, for example “Claims warehouse”.",
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Give the client a name.",
            "max_length": f"Use {NAME_LENGTH} characters at most.",
        },
    )
