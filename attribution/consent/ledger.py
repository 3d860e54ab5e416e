"""The ledger of preferences: a file, an operator's entry, and the revert of either. Each is whole or nothing.

Nothing in it is changed or deleted. Which preferences count is decided when they are asked for (opt_outs.py).
"""

import datetime as dt
import hashlib
from itertools import islice
from typing import BinaryIO

from django.db import connection, transaction
from django.db.models.functions import Now

from attribution import identifiers
from attribution.consent import preference_file
from attribution.consent.preference_file import Line
from attribution.models import Preference, PreferenceChange
from attribution.problems import Problem, as_json
from credentials.actor import Actor
from credentials.problem_list import ProblemList
from credentials.trail import audit

READ_BYTES = 2**20
LINES_A_WRITE = 1000

_COPY = "COPY attribution_preference (change_id, mbi, choice, effective_date, source, line) FROM STDIN"
_COUNT = """
    UPDATE attribution_preferencechange SET
        opt_out_count = (SELECT count(*) FROM attribution_preference WHERE change_id = %(id)s AND choice = 'N'),
        opt_in_count = (SELECT count(*) FROM attribution_preference WHERE change_id = %(id)s AND choice = 'Y'),
        blank_count = (SELECT count(*) FROM attribution_preference WHERE change_id = %(id)s AND choice = '')
    WHERE id = %(id)s
"""


class _Refused(Exception):  # noqa: N818  # named for what happened
    """Rolls back the transaction; never leaves this module."""

    def __init__(self, problems: ProblemList[Problem]) -> None:
        super().__init__()
        self.problems = problems


class NotRevertibleError(ValueError):
    """The change can't be reverted. The message says why."""


def load_file(file: BinaryIO, *, file_name: str, by: Actor) -> PreferenceChange:
    """Accept a preference file, or refuse it with `.problems`. Either way, the result is a row and an audit event.

    The file must be seekable. Raises BadFileName for a name that no such file has; then nothing is written.
    """
    name = preference_file.name_of(file_name)
    sha256 = _sha256(file)
    try:
        with transaction.atomic():
            return _accept(file, name, sha256, by)
    except _Refused as refused:
        with transaction.atomic():
            return _keep_refusal(name, sha256, refused.problems, by)


@transaction.atomic
def record(*, mbi: str, choice: Preference.Choice, effective_date: dt.date, source: str, by: Actor) -> PreferenceChange:
    """Add one preference by hand. Raises ValueError for an MBI that is none."""
    if problem := identifiers.problem(mbi):
        raise ValueError(problem)
    _wait_for_turn()
    is_opt_out = choice == Preference.Choice.OPT_OUT
    change = PreferenceChange.objects.create(
        kind=PreferenceChange.Kind.ENTRY,
        status=PreferenceChange.Status.ACCEPTED,
        recorded_by=by.user,
        opt_out_count=int(is_opt_out),
        opt_in_count=int(not is_opt_out),
    )
    Preference.objects.create(change=change, mbi=mbi, choice=choice, effective_date=effective_date, source=source)
    _stamp(change)
    audit.record(
        audit.Action.PREFERENCE_RECORDED,
        by,
        organization=None,
        change=change.pk,
        preference=str(choice),
        effective_date=effective_date.isoformat(),
        source=source,
    )
    return change


@transaction.atomic
def revert(change: PreferenceChange, *, reason: str, by: Actor) -> PreferenceChange:
    """Let the preferences of a file or an entry count no longer. Raises NotRevertibleError."""
    _wait_for_turn()
    if change.status != PreferenceChange.Status.ACCEPTED:
        raise NotRevertibleError("It was refused, so there is nothing to revert.")
    if change.kind == PreferenceChange.Kind.REVERT:
        raise NotRevertibleError("A revert can't be reverted. Load the file or add the entry again.")
    if change.is_reverted:
        raise NotRevertibleError("It is already reverted.")
    made = PreferenceChange.objects.create(
        kind=PreferenceChange.Kind.REVERT,
        status=PreferenceChange.Status.ACCEPTED,
        recorded_by=by.user,
        reverts=change,
        reason=reason,
    )
    _stamp(made)
    audit.record(
        audit.Action.PREFERENCES_REVERTED,
        by,
        organization=None,
        change=change.pk,
        file_name=change.file_name,
        reason=reason,
    )
    return made


def _accept(file: BinaryIO, name: str, sha256: str, by: Actor) -> PreferenceChange:
    _wait_for_turn()
    problems: ProblemList[Problem] = ProblemList()
    if problem := _loaded_before(name, sha256):
        problems.add(problem)
        raise _Refused(problems)
    change = PreferenceChange.objects.create(
        kind=PreferenceChange.Kind.FILE,
        status=PreferenceChange.Status.ACCEPTED,
        file_name=name,
        sha256=sha256,
        recorded_by=by.user,
    )
    _copy_lines(file, change, problems)
    if problems:
        raise _Refused(problems)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"id": change.pk})
    _stamp(change)
    audit.record(
        audit.Action.PREFERENCES_LOADED,
        by,
        organization=None,
        change=change.pk,
        file_name=name,
        opt_outs=change.opt_out_count,
        opt_ins=change.opt_in_count,
        without_preference=change.blank_count,
    )
    transaction.on_commit(_tell_the_planner, robust=True)
    return change


def _keep_refusal(name: str, sha256: str, problems: ProblemList[Problem], by: Actor) -> PreferenceChange:
    _wait_for_turn()
    change = PreferenceChange.objects.create(
        kind=PreferenceChange.Kind.FILE,
        status=PreferenceChange.Status.REFUSED,
        file_name=name,
        sha256=sha256,
        recorded_by=by.user,
        problems=as_json(problems),
    )
    audit.record(
        audit.Action.PREFERENCES_REFUSED,
        by,
        organization=None,
        change=change.pk,
        file_name=name,
        problem_count=problems.total,
    )
    return change


def _loaded_before(name: str, sha256: str) -> Problem | None:
    in_effect = PreferenceChange.objects.in_effect()
    if same_name := in_effect.filter(file_name=name).first():
        when = f"{same_name.recorded_at:%Y-%m-%d %H:%M} UTC"
        change_of = "" if same_name.sha256 == sha256 else " This one has other content. Revert the earlier one first."
        again = change_of or " You don't need to load it again."
        return Problem(name, None, None, f"A file with this name was loaded at {when}.{again}")
    if same_content := in_effect.filter(sha256=sha256).first():
        reason = f"The same content was already loaded as {same_content.file_name}. You don't need to load it again."
        return Problem(name, None, None, reason)
    return None


def _copy_lines(file: BinaryIO, change: PreferenceChange, problems: ProblemList[Problem]) -> None:
    file.seek(0)
    found = preference_file.lines(file, change.file_name)
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        while some := list(islice(found, LINES_A_WRITE)):
            for each in some:
                if isinstance(each, Problem):
                    problems.add(each)
                elif not problems:
                    copy.write_row(_row(each, change))


def _row(line: Line, change: PreferenceChange) -> tuple[object, ...]:
    # COPY's text can't have a NUL. The source is for people, and decides nothing.
    source = "".join(each for each in line.source if each.isprintable())
    return change.pk, line.mbi, line.choice, line.effective_date, source, line.number


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(READ_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _wait_for_turn() -> None:
    """Allow one change of the ledger at a time, until the end of the transaction.

    So the ids of changes are in the order in which they become visible.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('attribution.consent', 0))")


def _stamp(change: PreferenceChange) -> None:
    """Set the time as late as possible: no time before others could see the change should count as its own."""
    PreferenceChange.objects.filter(pk=change.pk).update(recorded_at=Now())
    change.refresh_from_db()


def _tell_the_planner() -> None:
    """Exports will soon ask for these. Until they are counted, the planner assumes that there are none."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE attribution_preference, attribution_preferencechange, attribution_mbi")
