"""The forms for clients: the name, and eight fields for IP addresses."""

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
    """Up to eight IP addresses, one per field. `addresses` holds the valid ones; errors are on their fields."""

    default_renderer = UswdsRenderer

    def __init__(self, *arguments: Any, organization: Organization, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.organization = organization
        self.addresses: list[str] = []
        for number, slot in enumerate(SLOTS, start=1):
            self.fields[slot] = forms.CharField(
                label=f"IP address {number}", required=False, widget=forms.TextInput(attrs=AS_TYPED)
            )

    @classmethod
    def of_client(
        cls, client: Client, data: Any = None, *, offered: str = "", kept: Mapping[str, str] | None = None
    ) -> "AddressesForm":
        """Return the form with the client's IP addresses and `offered`, with `kept` input, or with submitted `data`."""
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
    """A new client: its name and its IP allow list."""

    name = forms.CharField(
        label="Name",
        help_text="The system that will use this client, for example “Claims warehouse”.",
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Enter a name for the client.",
            "max_length": f"Use {NAME_LENGTH} characters or fewer.",
        },
    )
