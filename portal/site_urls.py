"""The pages of the portal. Whatever belongs to an organization stands under its entity id."""

from django.urls import include, path
from django.views.generic import RedirectView

from portal.views import attribution, credentials, exports, organizations
from portal.views.sign_in import SignIn, SignOut

app_name = "portal"

_credentials = [
    path("", credentials.clients, name="clients"),
    path("/new", credentials.create_client, name="client-create"),
    path("/<uuid:client_id>", credentials.client, name="client"),
    path("/<uuid:client_id>/secret", credentials.client_secret, name="client-secret"),
    path("/<uuid:client_id>/addresses", credentials.edit_addresses, name="client-addresses"),
    path("/<uuid:client_id>/revoke", credentials.revoke_client, name="client-revoke"),
]

_attribution = [
    path("", attribution.rosters, name="rosters"),
    path("/new", attribution.upload_roster, name="roster-upload"),
    path("/<int:roster_id>", attribution.roster, name="roster"),
]

_exports = [
    path("", exports.exports, name="exports"),
    path("/new", exports.start_export, name="export-start"),
    path("/<int:job_id>", exports.export, name="export"),
    path("/<int:job_id>/progress", exports.export_progress, name="export-progress"),
    path("/<int:job_id>/cancel", exports.cancel_export, name="export-cancel"),
    path("/<int:job_id>/files/<str:name>", exports.download, name="export-file"),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="portal:organizations"), name="home"),
    path("sign-in", SignIn.as_view(), name="sign-in"),
    path("sign-out", SignOut.as_view(), name="sign-out"),
    path("organizations", organizations.organizations, name="organizations"),
    path("organizations/<str:entity_id>", organizations.overview, name="overview"),
    path("organizations/<str:entity_id>/credentials", include(_credentials)),
    path("organizations/<str:entity_id>/attribution", include(_attribution)),
    path("organizations/<str:entity_id>/exports", include(_exports)),
]
