from django.urls import path

from portal.pages.activity import views

urlpatterns = [
    path("", views.audit, name="audit"),
    path(".csv", views.audit_as_csv, name="audit-csv"),
    path(".ndjson", views.audit_as_ndjson, name="audit-ndjson"),
]
