"""Pages and calls that meet a row which nobody should have written: they tell of it, and of everything beside it."""

import datetime as dt
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models
from django.urls import reverse
from django.utils import timezone

from credentials.models import Invitation, Role
from exports.models import Job
from tests import poison
from tests.exports import store
from tests.exports.store import patient

pytestmark = pytest.mark.django_db

HARBOR = "/organizations/A9994"
# Signing in goes by the times of these; an audit event is never changed.
OTHERS = {"session", "usersession", "user", "auditevent", "callcount", "migration"}


@pytest.fixture
def api(world):
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    store.load({mbi: [patient(mbi)] for mbi in mbis})
    Invitation.objects.create(
        organization=world.harbor,
        email="new@harbor.example",
        role=Role.CREDENTIAL_DELEGATE,
        expires_at=timezone.now() + dt.timedelta(days=1),
    )
    return world.api_client().sign_in()


def set_every_time(value: str) -> None:
    """To this, wherever there is one."""
    for model in apps.get_models():
        if model._meta.model_name in OTHERS or not model._meta.managed:
            continue
        for field in model._meta.local_fields:
            if isinstance(field, models.DateField) and (model, field.name) != (Job, "since"):
                with connection.cursor() as cursor:
                    table, column = model._meta.db_table, field.column
                    cursor.execute(f"UPDATE {table} SET {column} = %s WHERE {column} IS NOT NULL", [value])


@pytest.mark.parametrize("value", ["-infinity", "infinity", "0044-03-15 BC", "20000-01-01"])
def test_no_page_is_an_error_whatever_times_stand_in_the_rows(world, api, browse, value):
    job = store.start(world.harbor)
    delegate, operator = browse(world.delegate), browse(world.operator)
    set_every_time(value)

    for path in ("", "/exports", f"/exports/{job.pk}", f"/exports/{job.pk}/progress", "/exports/new", "/attribution",
                 "/credentials", f"/credentials/{api.client.client_id}", "/team", "/audit", "/connection"):  # fmt: skip
        assert delegate.get(f"{HARBOR}{path}").status_code in (200, 286), path
    assert operator.get("/organizations").status_code == 200
    for model in admin.site._registry:
        if model._meta.app_label in ("credentials", "attribution", "exports"):
            page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            assert operator.get(page).status_code == 200, page
    assert operator.get(reverse("admin:exports_job_change", args=[job.pk])).status_code == 200


@pytest.mark.parametrize("value", ["-infinity", "infinity"])
@pytest.mark.parametrize(
    "column", ["sent_at", "created_at", "planned_at", "finished_at", "transaction_time", "files_removed_at"]
)
def test_a_job_is_told_of_whatever_times_stand_in_its_row(world, api, column, value):
    job = store.start(world.harbor)
    poison.write(job, **{column: value})

    waiting = api.get(f"/api/v2/jobs/{job.pk}")
    poison.write(job, status="completed", expires_at="infinity", transaction_time=value)
    completed = api.get(f"/api/v2/jobs/{job.pk}")

    assert (waiting.status_code, completed.status_code) == (202, 200)
    assert urlsplit(completed.json()["request"]).path.startswith("/api/v2/")
    assert completed["Expires"]


def test_a_job_whose_status_nobody_knows_has_failed_for_its_client_and_is_shown_by_its_status(world, api, browse, read):
    job = store.start(world.harbor)
    poison.write(job, status="paused", expires_at=timezone.now() + dt.timedelta(days=1))

    answer = api.get(f"/api/v2/jobs/{job.pk}")
    listed = browse(world.delegate).get(f"{HARBOR}/exports")
    page = browse(world.delegate).get(f"{HARBOR}/exports/{job.pk}")

    assert answer.status_code == 500
    assert "Job failed to complete" in answer.content.decode()
    assert "paused" in read(listed).text
    assert "paused" in read(page).text
