"""The pages of the portal. All pages of an organization are under its entity ID."""

from django.urls import include, path
from django.views.generic import RedirectView

from portal.views import attribution, audit, connection, exports, organizations, team
from portal.views.credentials import clients, keys, secrets

app_name = "portal"

_credentials = [
    path("", clients.clients, name="clients"),
    path("/new", clients.create_client, name="client-create"),
    path("/<uuid:client_id>", clients.client, name="client"),
    path("/<uuid:client_id>/addresses", clients.edit_addresses, name="client-addresses"),
    path("/<uuid:client_id>/revoke", clients.revoke_client, name="client-revoke"),
    path("/<uuid:client_id>/secret", secrets.client_secret, name="client-secret"),
    path("/<uuid:client_id>/rotate", secrets.rotate, name="client-rotate"),
    path("/<uuid:client_id>/secrets/<int:secret_id>/revoke", secrets.revoke_secret, name="secret-revoke"),
    path("/<uuid:client_id>/keys", keys.client_keys, name="client-keys"),
    path("/<uuid:client_id>/keys/new", keys.add_key, name="client-key-add"),
    path("/<uuid:client_id>/keys/url", keys.edit_key_set, name="client-key-set"),
    path("/<uuid:client_id>/keys/url/revoke", keys.revoke_key_set, name="client-key-set-revoke"),
    path("/<uuid:client_id>/keys/<int:key_id>/revoke", keys.revoke_key, name="client-key-revoke"),
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

_team = [
    path("", team.team, name="team"),
    path("/invite", team.invite, name="member-invite"),
    path("/invitations/<int:invitation_id>/resend", team.resend, name="invitation-resend"),
    path("/invitations/<int:invitation_id>/withdraw", team.withdraw, name="invitation-withdraw"),
    path("/members/<int:member_id>/role", team.change_role, name="member-role"),
    path("/members/<int:member_id>/remove", team.remove, name="member-remove"),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="portal:organizations"), name="home"),
    path("organizations", organizations.organizations, name="organizations"),
    path("organizations/<str:entity_id>", organizations.overview, name="overview"),
    path("organizations/<str:entity_id>/audit", audit.audit, name="audit"),
    path("organizations/<str:entity_id>/audit.csv", audit.audit_as_csv, name="audit-csv"),
    path("organizations/<str:entity_id>/audit.ndjson", audit.audit_as_ndjson, name="audit-ndjson"),
    path("organizations/<str:entity_id>/connection", connection.connection, name="connection"),
    path("organizations/<str:entity_id>/credentials", include(_credentials)),
    path("organizations/<str:entity_id>/attribution", include(_attribution)),
    path("organizations/<str:entity_id>/exports", include(_exports)),
    path("organizations/<str:entity_id>/team", include(_team)),
]
