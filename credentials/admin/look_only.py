"""Pages on which nothing can be changed."""

from typing import Any, ClassVar

from django.http import HttpRequest


class LookOnly:
    """Admin pages on which nothing can be added, changed or deleted."""

    fields: ClassVar[Any]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  # Django's signature
        """Return all fields that are shown, including those that no form can have."""
        return self.fields or ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False
