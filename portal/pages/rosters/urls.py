from django.urls import path

from portal.pages.rosters import problems, views

urlpatterns = [
    path("", views.rosters, name="rosters"),
    path("/new", views.upload_roster, name="roster-upload"),
    path("/<int:roster_id>", views.roster, name="roster"),
    path("/<int:roster_id>/problems.csv", problems.problems_as_csv, name="roster-problems"),
    path("/<int:roster_id>/publish", views.publish_roster, name="roster-publish"),
    path("/<int:roster_id>/approval", views.ask_for_approval, name="roster-approval"),
    path("/<int:roster_id>/discard", views.discard_roster, name="roster-discard"),
    path("/<int:roster_id>/rollback", views.roll_back_roster, name="roster-rollback"),
]
