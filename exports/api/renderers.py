from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class FhirJsonRenderer(BaseRenderer):
    """FHIR JSON, without a charset, as in the specification."""

    media_type = "application/fhir+json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,  # noqa: ARG002  # DRF's signature
        renderer_context: Mapping[str, Any] | None = None,  # noqa: ARG002  # DRF's signature
    ) -> bytes:
        return b"" if data is None else msgspec.json.encode(data)


class OneRepresentation(BaseContentNegotiation):
    """There is one representation, whatever a client accepts. The kick-off checks Accept itself, in BCDA's words."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:  # noqa: ARG002
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002  # DRF's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002  # DRF's signature
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
