from django.urls import include, path

from portal.pages.clients import views

urlpatterns = [
    path("", views.clients, name="clients"),
    path("/new", views.create_client, name="client-create"),
    path("/<uuid:client_id>", views.client, name="client"),
    path("/<uuid:client_id>/addresses", views.edit_addresses, name="client-addresses"),
    path("/<uuid:client_id>/revoke", views.revoke_client, name="client-revoke"),
    path("/<uuid:client_id>", include("portal.pages.clients.secrets.urls")),
    path("/<uuid:client_id>/keys", include("portal.pages.clients.keys.urls")),
]
