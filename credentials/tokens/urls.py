from django.urls import path

from credentials.tokens import views

app_name = "credentials"
urlpatterns = [
    path("token", views.token, name="token"),
    path("introspect", views.introspect, name="introspect"),
    path("revoke", views.revoke, name="revoke"),
    path("connection", views.ConnectionView.as_view(), name="connection"),
    path("welcome", views.WelcomeView.as_view(), name="welcome"),
]
