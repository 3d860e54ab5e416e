from django.urls import path

from credentials.operators import views

app_name = "admin-api"
urlpatterns = [
    path("organizations", views.OrganizationsView.as_view(), name="organizations"),
    path("organizations/<str:entity_id>", views.OrganizationView.as_view(), name="organization"),
    path("organizations/<str:entity_id>/state", views.StateView.as_view(), name="state"),
    path(
        "organizations/<str:entity_id>/revocation",
        views.OrganizationRevocationView.as_view(),
        name="organization-revocation",
    ),
    path("organizations/<str:entity_id>/clients", views.ClientsView.as_view(), name="clients"),
    path("organizations/<str:entity_id>/invitations", views.InvitationsView.as_view(), name="invitations"),
    path("clients/<str:client_id>", views.ClientView.as_view(), name="client"),
    path("clients/<str:client_id>/addresses", views.AddressesView.as_view(), name="addresses"),
    path("clients/<str:client_id>/secret", views.SecretView.as_view(), name="secret"),
    path("clients/<str:client_id>/revocation", views.ClientRevocationView.as_view(), name="client-revocation"),
    path("expiring-secrets", views.ExpiringSecretsView.as_view(), name="expiring-secrets"),
]
