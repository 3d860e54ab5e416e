from django.urls import path

from portal.pages.rosters import problems, views

urlpatterns = [
    path("", views.rosters, name="rosters"),
    path("/new", views.upload_roster, name="roster-upload"),
    path("/<int:roster_id>", views.roster, name="roster"),
    path("/<int:roster_id>/problems.csv", problems.problems_as_csv, name="roster-problems"),
]
