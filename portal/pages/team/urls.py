from django.urls import path

from portal.pages.team import views

urlpatterns = [
    path("", views.team, name="team"),
    path("/invite", views.invite, name="member-invite"),
    path("/invitations/<int:invitation_id>/resend", views.resend, name="invitation-resend"),
    path("/invitations/<int:invitation_id>/withdraw", views.withdraw, name="invitation-withdraw"),
    path("/members/<int:member_id>/role", views.change_role, name="member-role"),
    path("/members/<int:member_id>/remove", views.remove, name="member-remove"),
]
