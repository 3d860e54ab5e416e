import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser

from attribution.models import Preference, PreferenceChange
from credentials.models import AuditEvent, User
from credentials.trail.audit import Action
from tests.attribution.consent.files import NAME, line, load, text
from tests.world import World

PAGE = "/admin/attribution/preferencechange/"
MBI = "1S00A00AA00"


@pytest.fixture
def operator(world: World, client: Browser) -> Browser:
    client.force_login(world.operator)
    return client


def post(browser: Browser, path: str, **form) -> str:
    response = browser.post(PAGE + path, form, secure=True, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def sent(content: str, name: str = NAME) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode())


def test_an_operator_loads_a_file(world: World, operator: Browser) -> None:
    assert "Load preference file" in operator.get(PAGE, secure=True).content.decode()

    shown = post(operator, "load/", file=sent(text(line(MBI))))

    assert "The file was loaded. Exports obey it from now on." in shown
    assert MBI not in shown
    assert AuditEvent.objects.get(action=Action.PREFERENCES_LOADED).user == world.operator


def test_an_operator_reads_why_a_file_was_refused(operator: Browser) -> None:
    shown = post(operator, "load/", file=sent(text(line(MBI, "X"))))

    assert "The file was refused, and nothing was changed." in shown
    assert f"{NAME}:2:369: The preference must be Y, N or blank." in shown
    assert "is not a preference file from CMS" in post(operator, "load/", file=sent("x", "x.csv"))


def test_an_operator_adds_a_single_preference(world: World, operator: Browser) -> None:
    entry = {"mbi": "1s00-a00-aa00", "choice": "N", "effective_date": "2026-01-15", "source": "a letter"}

    shown = post(operator, "add/", **entry)

    told = Preference.objects.get()
    assert (told.mbi, told.effective_date, told.source) == (MBI, dt.date(2026, 1, 15), "a letter")
    assert AuditEvent.objects.get(action=Action.PREFERENCE_RECORDED).user == world.operator
    assert MBI not in shown
    for wrong in ({"mbi": "123"}, {"choice": ""}, {"effective_date": "0001-01-01"}, {"source": ""}):
        assert "errorlist" in post(operator, "add/", **{**entry, **wrong})
    assert Preference.objects.count() == 1


def test_an_operator_reverts_a_file_and_says_why(operator: Browser) -> None:
    change = load(line(MBI))
    form = {"action": "revert", "_selected_action": str(change.pk)}

    assert f"Revert {NAME}?" in post(operator, "", **form)
    assert not change.is_reverted
    assert "This field is required." in post(operator, "", **form, confirmed="yes", reason="")
    assert "Reverted. Exports obey it from now on." in post(operator, "", **form, confirmed="yes", reason="wrong file")
    assert change.is_reverted
    assert "Nothing was changed. It is already reverted." in post(operator, "", **form, confirmed="yes", reason="x")
    assert "Reverted" in operator.get(f"{PAGE}{change.pk}/change/", secure=True).content.decode()
    both = [str(each.pk) for each in PreferenceChange.objects.all()]
    assert "Select only one change." in post(operator, "", action="revert", _selected_action=both)


def test_whoever_may_only_look_changes_nothing(world: World, client: Browser) -> None:
    change = load(line(MBI))
    reader = User.objects.create_user(email="reader@gate.example", name="Reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_preferencechange"))
    client.force_login(reader)

    assert client.get(PAGE, secure=True).status_code == 200
    assert client.get(f"{PAGE}load/", secure=True).status_code == 403
    assert client.post(f"{PAGE}load/", {"file": sent(text(line(MBI)), NAME)}, secure=True).status_code == 403
    assert client.post(f"{PAGE}add/", {"mbi": MBI}, secure=True).status_code == 403
    post(client, "", action="revert", _selected_action=str(change.pk), confirmed="yes", reason="x")
    assert PreferenceChange.objects.count() == 1
    assert client.post(f"{PAGE}{change.pk}/delete/", {"post": "yes"}, secure=True).status_code == 403
