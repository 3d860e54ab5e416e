from django.urls import path

from portal.pages.connection import views

urlpatterns = [path("", views.connection, name="connection")]
