"""Tells clients where and how to get tokens, as in SMART App Launch 2.2.0. Open to all, always JSON."""

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from credentials.access import scopes
from credentials.clients import keys
from exports.versions import VERSIONS, ApiVersion


@csrf_exempt  # so that another method gets 405, not 403
@require_safe
def smart_configuration(request: HttpRequest, version: ApiVersion | None = None) -> JsonResponse:
    """GET …/.well-known/smart-configuration, for one version of the API or for all."""
    versions = [version] if version else VERSIONS
    resource_types = list(dict.fromkeys(name for each in versions for name in each.resource_types))
    return JsonResponse(
        {
            "token_endpoint": request.build_absolute_uri(reverse("credentials:token")),
            "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic", "client_secret_post"],
            "token_endpoint_auth_signing_alg_values_supported": sorted(keys.ALGORITHMS),
            "introspection_endpoint": request.build_absolute_uri(reverse("credentials:introspect")),
            "revocation_endpoint": request.build_absolute_uri(reverse("credentials:revoke")),
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": scopes.supported(resource_types),
            # SMART requires it of every server, although nothing here asks for a code.
            "code_challenge_methods_supported": ["S256"],
            "capabilities": [
                "client-confidential-asymmetric",
                "client-confidential-symmetric",
                "permission-v1",
                "permission-v2",
            ],
        }
    )
