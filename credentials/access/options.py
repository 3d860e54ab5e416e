"""What OPTIONS is answered. DRF's views load this, so it does not import them."""

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request


class AllowAlone(BaseMetadata):
    """The header Allow, which every answer has, and nothing else: what a view is called here is nobody's business."""

    def determine_metadata(self, request: Request, view: object) -> None:
        """No body."""
