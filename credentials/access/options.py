"""The answer to OPTIONS. DRF's views load this module, so it does not import them."""

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request


class AllowAlone(BaseMetadata):
    """Return only the header Allow, which every answer has. Descriptions of our code are not public."""

    def determine_metadata(self, request: Request, view: object) -> None:
        """Return no body."""
