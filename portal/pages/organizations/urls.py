from django.urls import path

from portal.pages.organizations import views

urlpatterns = [
    path("", views.organizations, name="organizations"),
    path("/<str:entity_id>", views.overview, name="overview"),
]
