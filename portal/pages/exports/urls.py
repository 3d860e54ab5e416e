from django.urls import path

from portal.pages.exports import views

urlpatterns = [
    path("", views.exports, name="exports"),
    path("/new", views.start_export, name="export-start"),
    path("/<int:job_id>", views.export, name="export"),
    path("/<int:job_id>/progress", views.export_progress, name="export-progress"),
    path("/<int:job_id>/cancel", views.cancel_export, name="export-cancel"),
    path("/<int:job_id>/files/<str:name>", views.download, name="export-file"),
]
