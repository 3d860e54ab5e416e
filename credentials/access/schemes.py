"""The Authorization header: a scheme in any case, and its credentials (RFC 9110, section 11.4). Pure."""

import re

# A scheme, spaces, and one token68. Our tokens use fewer characters, but unknown ones are only looked up.
_CREDENTIALS = re.compile(r"(?P<scheme>[!#$%&'*+.^_`|~0-9A-Za-z-]+) +(?P<token>\S+)", re.ASCII)


def presented(header: str, scheme: str) -> str | None:
    """Return what `header` has for `scheme` (in lower case); None if it has nothing, or another scheme."""
    found = _CREDENTIALS.fullmatch(header.strip(" \t"))
    return found["token"] if found and found["scheme"].lower() == scheme else None
