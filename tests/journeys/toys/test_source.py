"""A source of an app in EXTRA_APPS, chosen by a setting: exported over HTTP, written by a worker."""

import json

import pytest

from exports.models import Job
from tests.journeys.test_export_over_http import Caller
from tests.world import World

pytestmark = pytest.mark.journey

TOYS = {"EXTRA_APPS": "tests.toys.apps.ToysConfig", "EXPORT_SOURCE": "toy"}


def test_what_a_source_cannot_get_is_in_the_manifests_errors_and_the_rest_in_its_output(running_with):
    running = running_with(TOYS)
    world = World()
    mbis = world.beneficiaries(5)
    world.roster(world.harbor, mbis)
    api, stranger = world.api_client(), world.api_client(world.mesa)
    caller = Caller(running.base_url, api.client.client_id, api.secret)
    other = Caller(running.base_url, stranger.client.client_id, stranger.secret)
    caller.sign_in()
    other.sign_in()

    manifest = caller.export()
    patients = caller.resources(manifest)
    [error] = manifest["error"]
    answer = caller.http.get(error["url"])
    lines = [json.loads(line) for line in answer.text.splitlines()]

    assert {each["id"] for each in patients} == {f"toy-{mbi}" for mbi in mbis[1:]}
    assert (error["type"], error["count"]) == ("OperationOutcome", 1)
    assert [line["resourceType"] for line in lines] == ["OperationOutcome"]
    assert "The record of [MBI] can't be read." in answer.text
    assert mbis[0] not in answer.text
    assert other.http.get(error["url"]).status_code == 404
    job = Job.objects.get()
    assert (job.source, job.as_of_load, job.bytes_left) == ("toy", None, 0)
