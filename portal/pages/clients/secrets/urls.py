from django.urls import path

from portal.pages.clients.secrets import views

urlpatterns = [
    path("/secret", views.client_secret, name="client-secret"),
    path("/rotate", views.rotate, name="client-rotate"),
    path("/secrets/<int:secret_id>/revoke", views.revoke_secret, name="secret-revoke"),
]
