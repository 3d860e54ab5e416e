"""What a new client's owner takes along: its settings as a file, and a first call to try. Pure."""

import shlex


def environment(client_id: str, secret: str, *, base_url: str) -> str:
    """Settings for a shell or a container, a line each."""
    settings = {
        "CLAIMSGATE_BASE_URL": base_url.rstrip("/"),
        "CLAIMSGATE_CLIENT_ID": client_id,
        "CLAIMSGATE_CLIENT_SECRET": secret,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def token_request(client_id: str, secret: str, *, token_url: str) -> str:
    """A curl command that fetches an access token."""
    return (
        f"curl --request POST {shlex.quote(token_url)} \\\n"
        f"  --user {shlex.quote(f'{client_id}:{secret}')} \\\n"
        "  --data grant_type=client_credentials"
    )
