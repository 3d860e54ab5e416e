from django.urls import path

from portal.pages.invitations import views

urlpatterns = [path("", views.invitation, name="invitation")]
