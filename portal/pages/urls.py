"""The pages of the portal, by area. All pages of an organization are under its entity ID."""

from django.urls import include, path
from django.views.generic import RedirectView

app_name = "portal"

_of_an_organization = [
    path("/audit", include("portal.pages.activity.urls")),
    path("/connection", include("portal.pages.connection.urls")),
    path("/credentials", include("portal.pages.clients.urls")),
    path("/attribution", include("portal.pages.rosters.urls")),
    path("/exports", include("portal.pages.exports.urls")),
    path("/team", include("portal.pages.team.urls")),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="portal:organizations"), name="home"),
    path("organizations", include("portal.pages.organizations.urls")),
    path("organizations/<str:entity_id>", include(_of_an_organization)),
]
