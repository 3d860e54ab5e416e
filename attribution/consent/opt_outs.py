"""Who has opted out: the rule, as SQL. It is asked when a file is written, and whenever beneficiaries are counted.

The latest preference within the look-back decides, of all that the beneficiary's MBIs have. Of two for the same day,
the opt-out wins. One for a day in the future waits. Whoever has no preference is not opted out.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from attribution.models import PreferenceChange

# SQL with a place, "{}", for each of the values.
Sql = tuple[str, tuple[Any, ...]]

NOBODY: Sql = "SELECT NULL::bigint WHERE FALSE", ()

_NEWEST = 2**63 - 1
# A change becomes visible somewhat later than its time says. Within this, it isn't known who knew of it.
_IN_DOUBT = dt.timedelta(hours=1)

_REVERTED = "SELECT reverts_id FROM attribution_preferencechange WHERE reverts_id IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Asked:
    """When consent was asked for: the newest change of the ledger that was seen, and the day on which."""

    change_id: int
    day: dt.date


@dataclass(frozen=True, slots=True)
class Consent:
    """What an organization must know of preferences: whether they count for it, and up to which day."""

    honors_opt_outs: bool = True
    as_of: dt.date | None = None  # None for the day on which it is asked

    def asked(self) -> Asked:
        """Return what is asked now, before it is answered: what is seen then is as new, or newer."""
        newest = PreferenceChange.objects.aggregate(newest=Max("pk"))["newest"]
        return Asked(newest or 0, self._day())

    def opted_out(self, rosters: Sql, asked: Asked | None = None) -> Sql:
        """Return who on some rosters is opted out now, or was when it was asked then, as ids of beneficiaries.

        `rosters` ends a condition: "= {}".
        """
        if not self.honors_opt_outs:
            return NOBODY
        known, day = (asked.change_id, asked.day) if asked else (_NEWEST, self._day())
        counts = "{0}.change_id <= {{}} AND {0}.change_id NOT IN (" + _REVERTED + " AND id <= {{}})"
        opt_outs, opt_ins = ((counts.format(each), (known, known)) for each in ("opt_out", "opt_in"))
        return _opted_out(rosters, _first_day(day), day, opt_outs, until=day, opt_ins=opt_ins)

    def opted_out_at_any_time(self, rosters: Sql, since: dt.datetime) -> Sql:
        """Return who on some rosters is opted out now, or was for a while since then. In doubt, they were."""
        if not self.honors_opt_outs:
            return NOBODY
        day, before = self._day(), since - _IN_DOUBT
        first = min(day, timezone.localdate(since))
        # An opt-out counts also if it was reverted after that time, an opt-in only if it was known at that time.
        opt_outs = f"opt_out.change_id NOT IN ({_REVERTED} AND recorded_at <= {{}})", (before,)
        known = "opt_in.change_id IN (SELECT id FROM attribution_preferencechange WHERE recorded_at <= {})"
        opt_ins = f"{known} AND opt_in.change_id NOT IN ({_REVERTED})", (before,)
        return _opted_out(rosters, _first_day(first), day, opt_outs, until=first, opt_ins=opt_ins)

    def _day(self) -> dt.date:
        today = timezone.localdate()
        return min(self.as_of, today) if self.as_of else today


def _opted_out(rosters: Sql, first: dt.date, last: dt.date, opt_outs: Sql, *, until: dt.date, opt_ins: Sql) -> Sql:
    """Return who opted out within some days, and has no later opt-in until a day. Conditions say which changes count.

    PostgreSQL can begin with the opt-outs of those days or with the rosters, whichever is less.
    """
    sql = f"""
        SELECT told.beneficiary_id
        FROM attribution_preference opt_out
            JOIN attribution_mbi told ON told.value = opt_out.mbi
            JOIN attribution_rosterentry own ON own.beneficiary_id = told.beneficiary_id AND own.roster_id {rosters[0]}
        WHERE opt_out.choice = 'N' AND opt_out.effective_date BETWEEN {{}} AND {{}} AND {opt_outs[0]}
            AND NOT EXISTS (
                SELECT FROM attribution_mbi other JOIN attribution_preference opt_in ON opt_in.mbi = other.value
                WHERE other.beneficiary_id = told.beneficiary_id AND opt_in.choice = 'Y'
                    AND opt_in.effective_date > opt_out.effective_date AND opt_in.effective_date <= {{}}
                    AND {opt_ins[0]}
            )
    """  # noqa: S608  # fixed text; the values are bound
    return sql, (*rosters[1], first, last, *opt_outs[1], until, *opt_ins[1])


def _first_day(day: dt.date) -> dt.date:
    """Return the first day whose preferences still count on a day."""
    days: int = settings.OPT_OUT_LOOKBACK_DAYS
    return max(dt.date.min, day - dt.timedelta(days=days)) if 0 < days < day.toordinal() else dt.date.min
