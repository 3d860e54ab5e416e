from django.urls import path

from portal.pages.clients.keys import views

urlpatterns = [
    path("", views.client_keys, name="client-keys"),
    path("/new", views.add_key, name="client-key-add"),
    path("/url", views.edit_key_set, name="client-key-set"),
    path("/url/revoke", views.revoke_key_set, name="client-key-set-revoke"),
    path("/<int:key_id>/revoke", views.revoke_key, name="client-key-revoke"),
]
