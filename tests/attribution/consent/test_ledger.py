"""The ledger: a file is accepted whole or not at all, once; whatever is in it stays, also when it is reverted."""

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from attribution.consent import ledger
from attribution.models import Preference, PreferenceChange
from credentials.actor import Actor
from credentials.models import AuditEvent
from credentials.trail.audit import Action
from tests.attribution.consent.files import NAME, line, load, load_bytes, text

pytestmark = pytest.mark.django_db

MBI, OTHER = "1S00A00AA00", "1S00A00AA01"
LATER = NAME.replace("D260115", "D260116")
DAY = dt.date(2026, 1, 15)


def test_a_file_is_kept_line_by_line_and_audited_without_an_mbi(world):
    change = load(line(MBI), line(OTHER, "Y"), line(MBI, "", "        "), by=Actor(user=world.operator))

    assert (change.kind, change.status, change.file_name) == ("file", "accepted", NAME)
    assert (change.opt_out_count, change.opt_in_count, change.blank_count) == (1, 1, 1)
    assert list(change.preferences.order_by("line").values_list("line", "mbi", "choice", "effective_date")) == [
        (2, MBI, "N", DAY),
        (3, OTHER, "Y", DAY),
        (4, MBI, "", None),
    ]
    event = AuditEvent.objects.get(action=Action.PREFERENCES_LOADED)
    assert (event.user, event.organization, event.detail["opt_outs"]) == (world.operator, None, 1)
    assert MBI not in str(event.detail)


def test_a_file_with_one_wrong_line_changes_nothing(db):
    change = load(*[line(MBI)] * 1500, line(OTHER, "X"))

    assert change.status == PreferenceChange.Status.REFUSED
    assert [(each["line"], each["column"]) for each in change.problems] == [(1502, 369)]
    assert not Preference.objects.exists()
    event = AuditEvent.objects.get(action=Action.PREFERENCES_REFUSED)
    assert (event.outcome, event.detail["problem_count"]) == ("denied", 1)


def test_many_problems_are_counted(db):
    change = load(*[line(MBI, "X")] * 150)

    assert len(change.problems) == 101
    assert change.problems[-1]["reason"] == "And 50 more problems."


def test_what_comes_again_is_said_plainly(db):
    load(line(MBI))

    again, other_name, other_content = load(line(MBI)), load(line(MBI), name=LATER), load(line(OTHER))

    assert {each.status for each in (again, other_name, other_content)} == {PreferenceChange.Status.REFUSED}
    assert again.problems[0]["reason"].startswith("A file with this name was loaded at ")
    assert again.problems[0]["reason"].endswith(" UTC. You don't need to load it again.")
    assert other_name.problems[0]["reason"] == (
        f"The same content was already loaded as {NAME}. You don't need to load it again."
    )
    assert other_content.problems[0]["reason"].endswith("This one has other content. Revert the earlier one first.")
    assert Preference.objects.count() == 1


def test_a_reverted_file_stays_in_the_ledger_and_can_come_again(world):
    first = load(line(MBI))

    made = ledger.revert(first, reason="another month's", by=Actor(user=world.operator))
    again = load(line(MBI))

    assert (made.reverts, made.reason, first.is_reverted) == (first, "another month's", True)
    assert again.status == PreferenceChange.Status.ACCEPTED
    assert Preference.objects.count() == 2
    event = AuditEvent.objects.get(action=Action.PREFERENCES_REVERTED)
    assert event.detail == {"change": first.pk, "file_name": NAME, "reason": "another month's"}


def test_what_was_never_in_effect_cannot_be_reverted(db):
    accepted, refused = load(line(MBI)), load(line(MBI, "X"), name=LATER)
    made = ledger.revert(accepted, reason="", by=Actor())

    for change, why in ((accepted, "already"), (refused, "refused"), (made, "can't be reverted")):
        with pytest.raises(ledger.NotRevertibleError, match=why):
            ledger.revert(change, reason="", by=Actor())
    assert PreferenceChange.objects.count() == 3


def test_an_operator_s_entry_is_audited_without_the_mbi(world):
    change = ledger.record(
        mbi=MBI, choice=Preference.Choice.OPT_OUT, effective_date=DAY, source="a letter", by=Actor(user=world.operator)
    )

    told = change.preferences.get()
    assert (told.mbi, told.choice, told.effective_date, told.source) == (MBI, "N", DAY, "a letter")
    assert (change.kind, change.opt_out_count, change.recorded_by) == ("entry", 1, world.operator)
    event = AuditEvent.objects.get(action=Action.PREFERENCE_RECORDED)
    assert event.detail == {
        "change": change.pk,
        "preference": "N",
        "effective_date": "2026-01-15",
        "source": "a letter",
    }
    with pytest.raises(ValueError, match="An MBI has 11 characters"):
        ledger.record(mbi="1", choice=Preference.Choice.OPT_IN, effective_date=DAY, source="", by=Actor())


def test_the_database_refuses_an_opt_out_without_a_date(db):
    change = load(line(MBI))

    with pytest.raises(IntegrityError, match="preference_has_date"), transaction.atomic():
        Preference.objects.create(change=change, mbi=MBI, choice="N")


def test_characters_that_the_database_cannot_keep_are_no_matter(db):
    change = load_bytes(text(line(MBI, source="1\0-8")).encode())

    assert change.preferences.get().source == "1-8"


def test_the_command_says_what_it_did_and_fails_if_a_file_was_refused(db, tmp_path, capsys):
    good, bad = tmp_path / NAME, tmp_path / LATER
    good.write_text(text(line(MBI), line(OTHER, "Y")))
    bad.write_text(text(line(MBI), count=3))

    with pytest.raises(CommandError, match=r"3 of 4 refused\."):
        call_command("load_preferences", str(good), str(bad), str(tmp_path / "list.csv"), str(tmp_path))

    said = capsys.readouterr()
    assert said.out == f"{NAME}: loaded: 1 opt-outs, 1 opt-ins, 0 without a preference.\n"
    assert f"{LATER}:3:24: The file has 1 preferences, but its trailer states 3." in said.err
    assert AuditEvent.objects.get(action=Action.PREFERENCES_LOADED).detail["command"] == "load_preferences"


def test_the_command_answers_in_json(db, tmp_path, capsys):
    (tmp_path / NAME).write_text(text(line(MBI)))

    call_command("load_preferences", str(tmp_path / NAME), "--json")

    assert '"status": "accepted"' in capsys.readouterr().out


def test_a_file_is_read_as_a_stream(db, monkeypatch):
    class Counting(io.BytesIO):
        most = 0

        def read(self, size=-1):
            assert size > 0
            self.most = max(self.most, size)
            return super().read(size)

    file = Counting(text(*[line(MBI)] * 2000).encode())

    assert ledger.load_file(file, file_name=NAME, by=Actor()).opt_out_count == 2000
    assert file.most <= ledger.READ_BYTES
