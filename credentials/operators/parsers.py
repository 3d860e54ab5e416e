"""Parses the JSON that operators send, strictly."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from credentials import strict_json


class StrictJsonParser(BaseParser):
    """JSON in UTF-8, as in RFC 8259, whatever the Content-Type says. Ambiguous JSON gets 400."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002  # DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        try:
            return strict_json.read(stream.read())
        except ValueError as error:
            raise ParseError(f"The request body is not valid JSON. {error}") from error
