"""SMART Backend Services: a client authenticates with a signed assertion (SMART App Launch 2.2.0; RFC 7523).

The signature is checked first. Until it is verified, the content can be from anyone, and the sender does not learn what
is wrong with it.
"""

import datetime as dt
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import jwt
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from jwt.utils import base64url_decode

from credentials import strict_json
from credentials.access import gate
from credentials.access.gate import Refusal
from credentials.access.middleware import client_address
from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.clients import jwks, keys
from credentials.lifetimes import ASSERTION, CLOCK_LEEWAY
from credentials.models import Client, ClientKey, ClientKeySet, SpentAssertion
from credentials.strict_json import AmbiguousJsonError
from credentials.trail import audit, refusals

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LENGTH_AT_MOST = 8 * 1024
JTI_LENGTH_AT_MOST = 256

_CLIENT_ID = re.compile(r"[0-9a-f-]{36}")
# The claims of a verified assertion are checked here, each with its own reason.
_SIGNATURE_ALONE = {f"verify_{claim}": False for claim in ("aud", "exp", "iat", "iss", "jti", "nbf", "sub")}


class AssertionRefusedError(ValueError):
    """An assertion that gets no token. The sender learns why only if `is_proven`: the signature is right.

    `client` is the client that it names, if it exists. `is_forbidden` means that the gate refused it.
    """

    def __init__(
        self, refusal: Refusal, *, client: Client | None = None, is_proven: bool = False, is_forbidden: bool = False
    ) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.client = client
        self.is_proven = is_proven
        self.is_forbidden = is_forbidden


@dataclass(frozen=True, slots=True)
class Proof:
    """An assertion that its client signed, for us, for now. Whether it was used before is not checked yet.

    `source` says where its key is from: pasted by a delegate, or in the set at the client's URL.
    """

    client: Client
    kid: str
    source: ClientKey | ClientKeySet
    jti: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class _Trusted:
    """The key that must have made the signature, and where it is from."""

    public_key: keys.PublicKey
    source: ClientKey | ClientKeySet


Presented = Proof | AssertionRefusedError


def misuse(request: HttpRequest) -> str | None:
    """Return why a request with an assertion is not valid (RFC 7521, section 4.2); None if it is, or has none."""
    form = request.POST
    if "client_assertion" not in form and "client_assertion_type" not in form:
        return None
    if any(len(values) > 1 for _name, values in form.lists()):
        return "A parameter was sent more than once. Send each parameter once."
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        return f"client_assertion_type must be {ASSERTION_TYPE}."
    if not form.get("client_assertion"):
        return "client_assertion is missing. Send a signed assertion."
    if "Authorization" in request.headers or "client_secret" in form:
        return "The request has an assertion and a secret. Send only one of them."
    return None


def presented(request: HttpRequest) -> Presented | None:
    """Return the verified assertion of a request; None if it has none. Nothing is changed or recorded yet.

    May call the client's key set URL: don't hold a transaction open.
    """
    if "client_assertion" not in request.POST or misuse(request):
        return None
    audience = request.build_absolute_uri(reverse("credentials:token"))
    try:
        return verify(request.POST["client_assertion"], audience=audience, now=timezone.now())
    except AssertionRefusedError as error:
        return error


def accepted(shown: Presented, request: HttpRequest) -> Proof | None:
    """Use up the assertion and return its proof; None if nothing was proven. Refusals are recorded.

    Raises AssertionRefusedError if the client has authenticated, so that it can learn the reason, but has no access.
    """
    if isinstance(shown, Proof):
        if (refused := _refusal(shown, request)) is None:
            return shown
    else:
        refused = shown
    told: dict[str, Any] = {"kid": shown.kid} if isinstance(shown, Proof) else {}
    refusals.record(
        audit.Action.TOKEN_REFUSED,
        client_id=refused.client.client_id if refused.client else "",
        client=refused.client,
        by=Actor.of_client(None, request),
        reason=refused.refusal.code,
        explanation=refused.refusal.message,
        **told,
    )
    if refused.is_proven:
        raise refused
    return None


def verify(assertion: str, *, audience: str, now: dt.datetime) -> Proof:
    """Return what an assertion to `audience`, the token endpoint's URL, proves. Raises AssertionRefusedError."""
    header, unproven = _unverified(assertion)
    client = _client(unproven.get("sub"))
    try:
        trusted = _trusted(client, header)
        claims = _verified(assertion, trusted.public_key)
    except keys.KeyRefusedError as error:
        raise AssertionRefusedError(Refusal(Reason.KEY_REFUSED, str(error)), client=client) from error
    except AssertionRefusedError as error:
        error.client = client
        raise
    refused = gate.key_refusal(trusted.source)
    if refused := refused or problem(claims, client_id=client.client_id, audience=audience, now=now):
        raise AssertionRefusedError(refused, client=client, is_proven=True)
    expires_at = dt.datetime.fromtimestamp(claims["exp"], dt.UTC)
    return Proof(client, trusted.public_key.kid, trusted.source, claims["jti"], expires_at)


def spend(proof: Proof) -> bool:
    """Use up an assertion. Return True for exactly one caller, on any node."""
    digest = hashlib.sha256(proof.jti.encode(errors="surrogatepass")).digest()
    try:
        with transaction.atomic():
            until = proof.expires_at + CLOCK_LEEWAY
            SpentAssertion.objects.create(client=proof.client, jti_digest=digest, expires_at=until)
    except IntegrityError:
        return False
    return True


def problem(claims: Mapping[str, Any], *, client_id: str, audience: str, now: dt.datetime) -> Refusal | None:
    """Return what is wrong with the claims of an assertion whose signature is right; None if nothing is."""
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        return Refusal(Reason.ASSERTION_SUBJECT, "The claims iss and sub of the assertion must both be the client ID.")
    # If there were several audiences, each could pass the assertion on to the others.
    if claims.get("aud") not in (audience, [audience]):
        return Refusal(
            Reason.ASSERTION_AUDIENCE, f"The claim aud of the assertion must be {audience} and nothing else."
        )
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= JTI_LENGTH_AT_MOST:
        return Refusal(
            Reason.ASSERTION_WITHOUT_JTI,
            f"The claim jti of the assertion must be a string of 1 to {JTI_LENGTH_AT_MOST} characters, new each time.",
        )
    return _problem_of_times(claims, now)


def _problem_of_times(claims: Mapping[str, Any], now: dt.datetime) -> Refusal | None:
    exp, nbf, iat = (_seconds(claims, name) for name in ("exp", "nbf", "iat"))
    if exp is None or nbf is None or iat is None:
        return Refusal(
            Reason.ASSERTION_TIMES,
            "The claims exp, nbf and iat of the assertion must be times in seconds since 1970. exp is required.",
        )
    early, late = (now - CLOCK_LEEWAY).timestamp(), (now + CLOCK_LEEWAY).timestamp()
    clock = f"Our clock says {now.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}."
    if exp <= early:
        return Refusal(Reason.ASSERTION_EXPIRED, f"The assertion has expired. Create a new one. {clock}")
    if exp > late + ASSERTION.total_seconds():
        return Refusal(
            Reason.ASSERTION_LONG_LIVED,
            f"The assertion expires more than {ASSERTION // dt.timedelta(minutes=1)} minutes from now. "
            f"Set an earlier exp. {clock}",
        )
    if nbf > late or iat > late or iat > exp:
        return Refusal(
            Reason.ASSERTION_NOT_YET_VALID, f"The assertion is not valid yet. Check its nbf and iat. {clock}"
        )
    return None


def _refusal(proof: Proof, request: HttpRequest) -> AssertionRefusedError | None:
    """Return why a right assertion gets no token; None if it gets one. It is used up in any case."""
    client, is_fresh = proof.client, spend(proof)
    if request.POST.get("client_id", client.client_id) != client.client_id:
        refused = Refusal(
            Reason.ASSERTION_SUBJECT,
            "client_id in the form is not the client ID of the assertion. Send the same one, or leave it out.",
        )
        return AssertionRefusedError(refused, client=client, is_proven=True)
    if not is_fresh:
        refused = Refusal(
            Reason.ASSERTION_REPLAYED,
            "This assertion was already used. Create a new one, with a new jti, for each request.",
        )
        return AssertionRefusedError(refused, client=client, is_proven=True)
    if found := gate.refusal(client, client_address(request)):
        return AssertionRefusedError(found, client=client, is_proven=True, is_forbidden=True)
    return None


def _unverified(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and claims, not verified."""
    if len(assertion) > LENGTH_AT_MOST:
        raise _refused(Reason.ASSERTION_MALFORMED, f"The assertion has more than {LENGTH_AT_MOST} characters.")
    try:
        jwt.decode_complete(assertion, options={"verify_signature": False})
        # PyJWT uses the last of several members with the same name, and accepts a payload with a dot in it.
        header, claims, _signature = assertion.split(".")
        return strict_json.read(base64url_decode(header)), strict_json.read(base64url_decode(claims))
    except AmbiguousJsonError as error:
        message = f"The JSON of the assertion is ambiguous. {error}"
        raise _refused(Reason.ASSERTION_MALFORMED, message) from None
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise _refused(Reason.ASSERTION_MALFORMED, "The assertion is not a JSON Web Token.") from None


def _client(subject: object) -> Client:
    client = None
    if isinstance(subject, str) and _CLIENT_ID.fullmatch(subject):
        client = Client.objects.select_related("organization").filter(client_id=subject).first()
    if client is None:
        raise _refused(Reason.CLIENT_UNKNOWN, "There is no client with this client ID.")
    return client


def _trusted(client: Client, header: Mapping[str, Any]) -> _Trusted:
    """Return the one key that must have signed an assertion with this header. Raises KeyRefusedError for a weak one."""
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(kid, str) or not 1 <= len(kid) <= keys.KID_LENGTH_AT_MOST or not kid.isprintable():
        raise _refused(Reason.KEY_UNKNOWN, "The header of the assertion has no kid. Set it to the key ID.")
    if header.get("typ") != "JWT":
        raise _refused(Reason.ASSERTION_MALFORMED, "The header of the assertion must have typ: JWT.")
    if not isinstance(algorithm, str) or algorithm not in keys.ALGORITHMS:
        raise _refused(Reason.ALGORITHM_NOT_ALLOWED, "The assertion must be signed with RS384 or ES384.")
    key_set = client.key_sets.live().first()
    if "jku" in header and (key_set is None or header["jku"] != key_set.url):
        raise _refused(
            Reason.KEY_SET_NOT_REGISTERED, "The header jku of the assertion is not this client's key set URL."
        )
    # With jku, the client says itself where its key is.
    trusted = None if "jku" in header else _given(client, kid)
    if trusted is None and key_set is not None:
        trusted = _published(client, key_set, kid, algorithm)
    if trusted is None:
        raise _refused(Reason.KEY_UNKNOWN, "This client has no key with the key ID (kid) of the assertion.")
    if trusted.public_key.algorithm != algorithm:
        raise _refused(Reason.ALGORITHM_NOT_ALLOWED, "The assertion was not signed with the algorithm of its key.")
    return trusted


def _given(client: Client, kid: str) -> _Trusted | None:
    """Return a pasted key, even a revoked one: the client's URL can't bring it back."""
    key = client.keys.filter(kid=kid).order_by(F("revoked_at").desc(nulls_first=True)).first()
    return _Trusted(keys.from_jwk({**key.jwk, "kid": key.kid}), key) if key else None


def _published(client: Client, key_set: ClientKeySet, kid: str, algorithm: str) -> _Trusted | None:
    """Return a key of the client's key set. If the gate refuses the client from any address, nothing is fetched."""
    if stopped := gate.standing_refusal(client):
        raise AssertionRefusedError(stopped)
    loopback = gate.allows_loopback(client.organization)
    try:
        public_key = jwks.find(key_set, kid, algorithm, jwks.Policy(allows_loopback=loopback))
    except jwks.KeySetUnavailableError as error:
        raise _refused(Reason.KEY_SET_UNAVAILABLE, str(error)) from error
    return _Trusted(public_key, key_set) if public_key else None


def _verified(assertion: str, key: keys.PublicKey) -> dict[str, Any]:
    """Return the claims, after the signature is verified with `key`, by the one algorithm of that key."""
    try:
        claims = jwt.decode(
            assertion, key=key.material, algorithms=[key.algorithm], options=cast("Any", _SIGNATURE_ALONE)
        )
    except (jwt.InvalidTokenError, ValueError):
        raise _refused(
            Reason.SIGNATURE_WRONG, "The signature of the assertion does not match the key that its kid names."
        ) from None
    return claims


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a time of the claims (NumericDate), or None. `exp` is required; others default to long ago."""
    value = claims.get(name) if name == "exp" else claims.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def _refused(code: Reason, message: str) -> AssertionRefusedError:
    return AssertionRefusedError(Refusal(code, message))
