"""The bulk export API: each view parses, makes one call, and answers."""

import datetime as dt
import re
from typing import cast

from django.conf import settings
from django.http import Http404, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.http import http_date
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from attribution import cohorts
from credentials.actor import Actor
from credentials.models import Client
from credentials.tokens.authorization import types_in_scope
from exports import kickoff
from exports.api import downloads
from exports.api.manifest import manifest
from exports.api.outcomes import FailedJobError, GoneError
from exports.api.parameters import BadRequestError, parse, resource_types
from exports.api.renderers import FhirJsonRenderer, OneRepresentation
from exports.models import Job
from exports.versions import ApiVersion

FILE_NAME = re.compile(r"[0-9a-f-]{36}\.ndjson")
# How long a client should wait before it asks again, in seconds: short at first, for small exports.
PATIENCE_AT_FIRST, PATIENCE_LATER, AT_FIRST = 1, 10, dt.timedelta(seconds=30)


class GateView(APIView):
    """A view that only clients with access can call."""

    content_negotiation_class = OneRepresentation
    renderer_classes = (FhirJsonRenderer,)

    @property
    def client(self) -> Client:
        return cast("Client", self.request.user)

    @property
    def actor(self) -> Actor:
        return Actor.of_client(self.client, self.request._request)  # noqa: SLF001  # the way DRF offers

    def finalize_response(self, request: Request, response: Response, *args: object, **kwargs: object) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class ExportView(GateView):
    """GET …/Patient/$export and …/Group/{id}/$export. Not HEAD: it would start an export without returning it."""

    http_method_names = ("get", "options")

    def get(self, request: Request, version: ApiVersion, group_id: str | None = None) -> Response:
        kickoff.check_version(self.client.organization, version.number)
        parameters = parse(request.query_params, request.headers, version)
        rule = cohorts.ALL if group_id is None else cohorts.COHORT_RULES.get(group_id)
        if rule is None:
            raise BadRequestError("Invalid group ID")
        organization = self.client.organization
        offered = version.resource_types_for(organization.rules)
        types = resource_types(parameters.asked_types, version, offered=offered)
        job = kickoff.kick_off(
            organization=organization,
            version=version.number,
            scope=Job.Scope.PATIENT if group_id is None else Job.Scope.GROUP_ALL,
            rule=rule,
            resource_types=types_in_scope(request, types, are_asked_for=bool(parameters.asked_types)),
            since=parameters.since,
            request_url=request.build_absolute_uri(),
            by=self.actor,
        )
        location = reverse(f"api-v{version.number}:job", args=[job.pk])
        return Response(status=202, headers={"Content-Location": request.build_absolute_uri(location)})


class JobView(GateView):
    """GET and DELETE …/jobs/{id}."""

    def get(self, request: Request, version: ApiVersion, job_id: str) -> Response:  # noqa: ARG002
        job = _job(self.client, job_id)
        types_in_scope(request, job.resource_types, are_asked_for=True)
        if job.status == Job.Status.PENDING:
            return _unfinished(job, "Pending")
        if job.status == Job.Status.IN_PROGRESS:
            return _unfinished(job, f"In Progress ({job.progress()})")
        if job.status == Job.Status.CANCELLED:
            raise Http404("Job has been cancelled.")
        if job.status not in (Job.Status.COMPLETED, Job.Status.EXPIRED):
            raise FailedJobError("Service encountered numerous errors. Job failed to complete.")
        if job.has_expired or job.expires_at is None:
            raise GoneError(_why_gone(job))
        return Response(
            manifest(job, url_of=lambda file: request.build_absolute_uri(reverse("data", args=[job.pk, file.name]))),
            content_type="application/json",
            headers={"Expires": http_date(job.expires_at.timestamp())},
        )

    def delete(self, request: Request, version: ApiVersion, job_id: str) -> Response:  # noqa: ARG002
        job = _job(self.client, job_id)
        types_in_scope(request, job.resource_types, are_asked_for=True)
        if not kickoff.cancel(job, by=self.actor):
            raise GoneError("job was not cancelled because it is not Pending or In Progress")
        return Response(status=202)


class MetadataView(GateView):
    """GET …/metadata, open to all."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request, version: ApiVersion) -> Response:
        statement = version.capability_statement(
            base_url=request.build_absolute_uri("/").rstrip("/"),
            token_url=request.build_absolute_uri(reverse("credentials:token")),
            fhir_version=version.fhir_version,
            resource_types=version.resource_types,
            software_version=settings.CLAIMSGATE_VERSION,
            now=timezone.now(),
        )
        return Response(statement, content_type="application/json")


class DataView(GateView):
    """GET /data/{job}/{file}."""

    def get(self, request: Request, job_id: str, file_name: str) -> HttpResponseBase:
        job = _job(self.client, job_id)
        if job.has_expired:
            raise GoneError(_why_gone(job))
        files = job.files.filter(job__status=Job.Status.COMPLETED)
        file = files.filter(name=file_name).first() if FILE_NAME.fullmatch(file_name) else None
        if file is None:
            raise Http404("Job not found")
        # A Bundle of deletions has no type of its own, and can be about any type.
        of_one_type = file.resource_type in job.resource_types
        types_in_scope(request, [file.resource_type] if of_one_type else job.resource_types, are_asked_for=True)
        try:
            return downloads.respond(request._request, file, by=self.actor)  # noqa: SLF001  # the way DRF offers
        except downloads.OptedOutError as opted_out:
            raise GoneError(str(opted_out)) from opted_out


def _job(client: Client, job_id: str) -> Job:
    """Return a job of the client's organization. Another organization's job gets the same answer as none."""
    if not job_id.isascii() or not job_id.isdigit() or len(job_id) > len(str(2**62)):
        raise BadRequestError(f"“{job_id[:40]}” is not a job ID. Use the number at the end of Content-Location.")
    job = Job.objects.for_organization(client.organization).filter(pk=int(job_id)).first()
    if job is None:
        raise Http404("Job not found")
    return job


def _why_gone(job: Job) -> str:
    if job.withdrawn_at:
        return (
            "The files of this job were withdrawn, because its roster was rolled back. Start a new job with the same "
            "_since. If you have used these files, start one with this job's transactionTime as _since."
        )
    return "The files of this job have expired. Start a new job."


def _unfinished(job: Job, progress: str) -> Response:
    young = timezone.now() - job.created_at < AT_FIRST
    patience = PATIENCE_AT_FIRST if young else PATIENCE_LATER
    return Response(status=202, headers={"X-Progress": progress, "Retry-After": str(patience)})
