"""The Authorization header: a scheme, whose case means nothing, and what it presents (RFC 9110, section 11.4). Pure."""

import re

# A scheme, spaces, and one token68. Tokens are of fewer letters, but those of strangers are only looked up.
_CREDENTIALS = re.compile(r"(?P<scheme>[!#$%&'*+.^_`|~0-9A-Za-z-]+) +(?P<token>\S+)", re.ASCII)


def presented(header: str, scheme: str) -> str | None:
    """What `header` presents by `scheme` (in lower case); None when it presents nothing, or by another."""
    found = _CREDENTIALS.fullmatch(header.strip(" \t"))
    return found["token"] if found and found["scheme"].lower() == scheme else None
