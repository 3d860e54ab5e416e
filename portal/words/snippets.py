"""What a client's owner copies or downloads: settings as a file, calls to try, a program that signs. Pure."""

import shlex

MAKE_KEYS = """\
openssl ecparam -name secp384r1 -genkey -noout -out private.pem
openssl ec -in private.pem -pubout -out public.pem"""


def environment(client_id: str, secret: str, *, base_url: str) -> str:
    """Return settings for a shell or a container, one per line."""
    settings = {
        "CLAIMSGATE_BASE_URL": base_url.rstrip("/"),
        "CLAIMSGATE_CLIENT_ID": client_id,
        "CLAIMSGATE_CLIENT_SECRET": secret,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def token_request(client_id: str, secret: str, *, token_url: str) -> str:
    """Return a curl command that requests an access token."""
    return (
        f"curl --request POST {shlex.quote(token_url)} \\\n"
        f"  --user {shlex.quote(f'{client_id}:{secret}')} \\\n"
        "  --data grant_type=client_credentials"
    )


def connection_test(*, connection_url: str) -> str:
    """Return a curl command that shows the machine's IP address. It needs no credentials."""
    return f"curl {shlex.quote(connection_url)}"


def token_test(*, token_url: str) -> str:
    """Return a curl command that requests a token with credentials from the environment and shows the status."""
    return (
        f"curl --include --request POST {shlex.quote(token_url)} \\\n"
        '  --user "$CLAIMSGATE_CLIENT_ID:$CLAIMSGATE_CLIENT_SECRET" \\\n'
        "  --data grant_type=client_credentials"
    )


def signed_token_request(client_id: str, *, kid: str, algorithm: str, token_url: str) -> str:
    """Return a Python program that signs an assertion with the key in private.pem and requests an access token."""
    return f"""\
import time, uuid
import jwt, requests

CLIENT_ID = {client_id!r}
TOKEN_URL = {token_url!r}
now = int(time.time())
claims = {{"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "exp": now + 240, "jti": str(uuid.uuid4())}}
assertion = jwt.encode(claims, open("private.pem").read(), {algorithm!r}, headers={{"kid": {kid!r}}})
answer = requests.post(TOKEN_URL, timeout=30, data={{
    "grant_type": "client_credentials",
    "scope": "system/*.rs",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "client_assertion": assertion,
}})
print(answer.json())"""
