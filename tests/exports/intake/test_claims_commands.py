"""The operators' commands over the claims store."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command

from exports.models import Chunk, Load
from tests.exports.store import arrival, load
from tests.world import UserFactory

pytestmark = pytest.mark.django_db

ADMIN = "/admin/exports/load/"


def eob(number: int):
    return arrival("ExplanationOfBenefit", f"e-{number}")


def test_a_load_is_taken_back_by_its_number(world, capsys):
    (mbi,) = world.beneficiaries(1)
    load({mbi: [eob(1)]})
    wrong = load({mbi: [eob(1), eob(2)]}, source="november")

    call_command("revert_load", str(wrong.pk))

    said = capsys.readouterr().out
    assert f"Load {wrong.pk} (november) was reverted by load {Load.objects.first().pk}" in said
    assert "Current again: 1 earlier resources. Removed: 1 that only this load had." in said


def test_a_load_that_is_not_there_cannot_be_taken_back(world):
    with pytest.raises(CommandError, match=r"There is no load 7\. See the list of loads in the administration"):
        call_command("revert_load", "7")


def test_the_reason_is_told_why_a_load_cannot_be_taken_back(world):
    first, second = load({}), load({})

    with pytest.raises(CommandError, match=f"Load {second.pk} came after load {first.pk}"):
        call_command("revert_load", str(first.pk))

    assert Load.objects.count() == 2


def test_old_loads_are_merged_at_once(world, settings, capsys):
    settings.CLAIMS_UNDO = dt.timedelta()
    (mbi,) = world.beneficiaries(1)
    for number in range(6):
        load({mbi: [eob(number)]})

    call_command("compact_claims")

    assert "1 chunks merged" in capsys.readouterr().out
    assert Chunk.objects.count() == 1


def test_operators_take_loads_back_in_the_administration(world, client):
    (mbi,) = world.beneficiaries(1)
    first, second = load({mbi: [eob(1)]}), load({mbi: [eob(2)]})
    client.force_login(world.operator)

    client.post(ADMIN, {"action": "take_back", "_selected_action": [first.pk]})
    refused = client.get(ADMIN).content.decode()
    client.post(ADMIN, {"action": "take_back", "_selected_action": [first.pk, second.pk]})

    assert f"Load {second.pk} came after load {first.pk}" in refused
    assert set(Load.objects.exclude(takes_back=None).values_list("takes_back", flat=True)) == {first.pk, second.pk}


def test_whoever_may_only_look_takes_nothing_back(world, client):
    one = load({})
    looker = UserFactory(is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_load"))
    client.force_login(looker)

    client.post(ADMIN, {"action": "take_back", "_selected_action": [one.pk]})

    assert Load.objects.count() == 1
