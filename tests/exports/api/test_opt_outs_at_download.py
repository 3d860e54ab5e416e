"""By a setting, a file in which a beneficiary has opted out since it was written answers 410, also in the portal."""

import datetime as dt

import pytest
from django.utils import timezone

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports.models import Job, Shard
from tests.attribution.consent.files import say
from tests.exports.api.calls import kicked_off, outcome, unhurried
from tests.exports.store import arrival, load, patient, run
from tests.world import ApiClient, sign_in

pytestmark = unhurried

DAY = dt.timedelta(days=1)


@pytest.fixture
def mbis(world) -> list[str]:
    found = world.beneficiaries(3)
    world.roster(world.harbor, found)
    load({mbi: [patient(mbi), arrival("ExplanationOfBenefit", f"e-{mbi}")] for mbi in found})
    return found


@pytest.fixture
def api(world, mbis) -> ApiClient:
    return world.api_client().sign_in()


@pytest.fixture
def asked(settings) -> None:
    settings.OPT_OUTS_CHECKED_AT_DOWNLOAD = True


def statuses(api: ApiClient, job: Job) -> list[int]:
    return [api.get(f"/data/{job.pk}/{file.name}").status_code for file in job.files.all()]


def test_without_the_setting_a_written_file_can_be_downloaded(api, mbis):
    job = run(kicked_off(api))

    say(mbis[0], "N")

    assert statuses(api, job) == [200, 200]


@pytest.mark.usefixtures("asked")
def test_a_file_with_somebody_who_opted_out_since_is_gone_and_a_new_export_has_the_others(api, mbis):
    job = run(kicked_off(api))
    assert statuses(api, job) == [200, 200]
    downloaded = AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).count()

    say(mbis[0], "N")
    refused = api.get(f"/data/{job.pk}/{job.files.first().name}")
    again = run(kicked_off(api))

    assert statuses(api, job) == [410, 410]
    assert outcome(refused) == (
        "This file is no longer available, because preferences about data sharing have changed since it was written. "
        "Start a new export."
    )
    assert AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).count() == downloaded
    assert statuses(api, again) == [200, 200]


@pytest.mark.usefixtures("asked")
def test_only_the_files_of_that_beneficiary_are_gone(api, mbis, settings):
    settings.EXPORT_FILE_BYTES = 1
    job = run(kicked_off(api))

    say(mbis[1], "N")

    assert statuses(api, job) == [200, 410, 200, 200, 410, 200]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("happens", ["of nobody here", "before", "in the future", "back"])
def test_other_preferences_change_nothing(api, mbis, happens):
    if happens == "before":
        say(mbis[0], "N")
    job = run(kicked_off(api))

    match happens:
        case "of nobody here":
            say("1S00Z00AA00", "N")
        case "in the future":
            say(mbis[0], "N", 1)
        case "back":
            say(mbis[0], "N", -1)
            say(mbis[0], "Y")

    assert statuses(api, job) == [200, 200]


@pytest.mark.usefixtures("asked")
def test_an_opt_out_that_waited_for_its_day_counts_from_then_on(api, mbis):
    say(mbis[0], "N")
    job = run(kicked_off(api))
    Shard.objects.filter(job=job).update(asked_on=timezone.localdate() - DAY)

    assert statuses(api, job) == [410, 410]


@pytest.mark.usefixtures("asked")
def test_a_file_of_earlier_code_which_asked_nobody_is_gone_if_anybody_is_out(api, mbis):
    job = run(kicked_off(api))
    Shard.objects.filter(job=job).update(asked_on=None, asked_change_id=None)
    assert statuses(api, job) == [200, 200]

    say(mbis[0], "N", -50)

    assert statuses(api, job) == [410, 410]


@pytest.mark.usefixtures("asked")
def test_a_half_downloaded_file_is_not_continued(api, mbis):
    job = run(kicked_off(api))
    url = f"/data/{job.pk}/{job.files.first().name}"
    assert api.get(url, Range="bytes=0-9").status_code in {206, 200}

    say(mbis[0], "N")

    assert api.get(url, Range="bytes=10-").status_code == 410
    assert api.get(url, **{"If-None-Match": "*"}).status_code == 410


@pytest.mark.usefixtures("asked")
def test_the_portal_offers_a_new_export(world, api, client, mbis):
    job = run(kicked_off(api))
    sign_in(client, world.delegate)
    url = f"/organizations/A9994/exports/{job.pk}/files/{job.files.first().name}"
    assert client.get(url, secure=True).status_code == 200

    say(mbis[0], "N")
    gone = client.get(url, secure=True)

    assert gone.status_code == 410
    page = gone.content.decode()
    assert "Preferences about data sharing have changed since this file" in page
    assert "Start new export" in page
    assert mbis[0] not in page
