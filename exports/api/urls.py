"""The URLs of the API: one list, mounted once for each version, and the downloads, which have no version."""

from django.urls import include, path

from exports.api import discovery, views
from exports.versions import VERSIONS

_version_urls = [
    path("Patient/$export", views.ExportView.as_view(), name="patient-export"),
    path("Group/<str:group_id>/$export", views.ExportView.as_view(), name="group-export"),
    path("jobs/<str:job_id>", views.JobView.as_view(), name="job"),
    path("metadata", views.MetadataView.as_view(), name="metadata"),
    path(".well-known/smart-configuration", discovery.smart_configuration, name="smart-configuration"),
]

urlpatterns = [
    *(
        path(version.path, include((_version_urls, f"api-v{version.number}")), {"version": version})
        for version in VERSIONS
    ),
    path(".well-known/smart-configuration", discovery.smart_configuration, name="smart-configuration"),
    path("data/<str:job_id>/<str:file_name>", views.DataView.as_view(), name="data"),
]
