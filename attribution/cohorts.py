"""Whose claims: which rosters an organization's cohort is made of, now and at an earlier time, and who is on them.

A cohort renders itself once, as SQL. The claims store joins it, and `beneficiaries` is the same SQL as a queryset, so
the number on a page and the export can't differ. Nothing outside this package joins the entries of rosters.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from attribution import staleness
from attribution.consent.opt_outs import Asked, Consent, Sql
from attribution.models import Beneficiary, RosterFile
from attribution.models.roster import RosterFileQuerySet
from credentials.models import Organization
from credentials.programs import ConsentRule
from credentials.registry import Registry

Key = TypeVar("Key")
CURRENT = RosterFile.Kind.CURRENT

_GROUP_ID = re.compile("[a-z0-9-]{1,32}")
_TABLES = "attribution_rosterentry entry"


class Population(models.TextChoices):
    """A part of a cohort, by the earlier roster."""

    EVERYONE = "everyone", "Everyone"
    EXISTING = "existing", "On the earlier roster too"
    NEWLY_ATTRIBUTED = "newly_attributed", "Newly attributed"
    RETURNED = "returned", "No longer opted out"  # a part of the newly attributed ones


@dataclass(frozen=True, slots=True)
class Rendering:
    """SQL with named values: rows `entry`, one for each beneficiary, whose `beneficiary_id` says who it is."""

    tables: str  # after FROM
    condition: str  # after WHERE: the pinned rosters and rules
    withheld: str  # who of them gets nothing now
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cohort:
    """The answer to "who, as of when, minus whom": those on any of some rosters, and on none of the subtracted ones.

    The earlier roster tells newly attributed beneficiaries from the others. Without one, all are newly attributed.
    """

    rule: str  # the key in COHORT_RULES
    roster_ids: tuple[int, ...]
    subtracted_roster_ids: tuple[int, ...] = ()
    earlier_roster_id: int | None = None
    claims_through_date: dt.date | None = None  # claims for later services are left out
    # Rosters that exports had by mistake. Clients are told to delete what they have of their beneficiaries.
    mistaken_roster_ids: tuple[int, ...] = ()
    # Newly attributed beneficiaries come with their whole history, regardless of `_since`.
    has_newly_attributed: bool = False
    # These count as newly attributed, too: they were opted out for a while since `_since`, and aren't any longer.
    returned_ids: tuple[int, ...] = ()
    population: Population = Population.EVERYONE
    # Opt-outs are not pinned: they are asked for when a file is written, and what they leave out is then not missing.
    consent: Consent = field(default_factory=Consent)

    def narrowed_to(self, population: Population) -> "Cohort":
        """Return the part of the whole cohort."""
        return replace(self, population=population)

    def rendered(self) -> Rendering:
        """Return it as SQL, to join. The names of its values begin with "cohort_"."""
        values: dict[str, Any] = {}

        def named(sql: Sql) -> str:
            names = [f"cohort_{len(values) + number}" for number in range(len(sql[1]))]
            values.update(zip(names, sql[1], strict=True))
            return sql[0].format(*(f"%({name})s" for name in names))

        pinned = " AND ".join(named(condition) for condition in self._conditions())
        return Rendering(_TABLES, pinned, named(self._withheld()), values)

    def beneficiaries(self) -> QuerySet[Beneficiary]:
        """Return those who get something now: without those who are withheld."""
        entries, values = self._entries()
        # The same text, and not the ORM, which would say it a second time.
        return Beneficiary.objects.filter(pk__in=RawSQL(f"SELECT entry.beneficiary_id {entries}", values))  # noqa: S611

    def delivered_by_mistake(self) -> QuerySet[Beneficiary]:
        """Return those who are on a mistaken roster, and not in the whole cohort."""
        mistaken: Sql = "= ANY({})", (list(self.mistaken_roster_ids),)
        withheld = _without(_among(self.consent.opted_out(mistaken)))
        entries, values = replace(self, roster_ids=self.mistaken_roster_ids, subtracted_roster_ids=())._of_all(withheld)  # noqa: SLF001
        told, told_values = self._of_all()
        sql = f"SELECT entry.beneficiary_id {entries} EXCEPT SELECT entry.beneficiary_id {told}"
        return Beneficiary.objects.filter(pk__in=RawSQL(sql, [*values, *told_values]))  # noqa: S611

    def roster(self) -> RosterFile:
        """Return the roster that pages name."""
        return RosterFile.objects.get(pk=self.roster_ids[0])

    def count(self) -> int:
        return counts({self.rule: self})[self.rule]

    def withheld_count(self) -> int:
        """Return how many beneficiaries get nothing now because they opted out."""
        return _count(self._pinned(self._withheld()))

    def has_opted_out_since(self, asked: Asked, first_beneficiary_id: int, last_beneficiary_id: int) -> bool:
        """Return whether some of a range are withheld now who were not when it was asked."""
        between = "entry.beneficiary_id BETWEEN {} AND {}", (first_beneficiary_id, last_beneficiary_id)
        were = _among(self.consent.opted_out(self._rosters(), asked))
        return _count(self._pinned(self._withheld(), between, _without(were))) > 0

    def with_consent(self, organization: Organization, since: dt.datetime | None) -> "Cohort":
        """Return it for an organization that must know of preferences what its program and its bounds say.

        Whoever was opted out for a while since `since`, and no longer is, counts as newly attributed.
        """
        it = replace(self, consent=consent_of(organization))
        if since is None:
            return it
        were = _among(it.consent.opted_out_at_any_time(it._rosters(), since))  # noqa: SLF001  # its own class
        entries, values = it._pinned(were, _without(it._withheld()))  # noqa: SLF001
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT entry.beneficiary_id {entries} ORDER BY entry.beneficiary_id", values)
            return replace(it, returned_ids=tuple(key for (key,) in cursor.fetchall()))

    def _entries(self) -> tuple[str, list[Any]]:
        """Return FROM and WHERE of those who get something now, and the values in their order."""
        return self._pinned(_without(self._withheld()))

    def _pinned(self, *also: Sql) -> tuple[str, list[Any]]:
        """Return FROM and WHERE of those on the pinned rosters for whom more is true, and the values in their order."""
        found = [*self._conditions(), *also]
        where = " AND ".join(sql.format(*["%s"] * len(values)) for sql, values in found)
        return f"FROM {_TABLES} WHERE {where}", [value for _, values in found for value in values]

    def _of_all(self, *also: Sql) -> tuple[str, list[Any]]:
        """Return FROM and WHERE of the whole cohort, withheld or not."""
        return self.narrowed_to(Population.EVERYONE)._pinned(*also)  # noqa: SLF001  # its own class

    def _withheld(self) -> Sql:
        """Return what is true of an entry whose beneficiary is withheld at this moment. The only place for it."""
        return _among(self.consent.opted_out(self._rosters()))

    def _rosters(self) -> Sql:
        """Return the end of a condition: on any of the rosters."""
        return ("= {}", self.roster_ids) if len(self.roster_ids) == 1 else ("= ANY({})", (list(self.roster_ids),))

    def _conditions(self) -> Iterator[Sql]:
        """Return what is true of each entry: SQL with places for values, and the values."""
        rosters, values = self._rosters()
        yield f"entry.roster_id {rosters}", values
        if len(self.roster_ids) != 1:
            # One entry for each beneficiary.
            yield _without(_on("twin", f"{rosters} AND twin.roster_id < entry.roster_id", values))
        if self.subtracted_roster_ids:
            yield _without(_on("subtracted", "= ANY({})", (list(self.subtracted_roster_ids),)))
        if self.population == Population.RETURNED:
            yield "entry.beneficiary_id = ANY({})", (list(self.returned_ids),)
        elif self.population != Population.EVERYONE:
            existing = self._existing()
            yield existing if self.population == Population.EXISTING else _without(existing)

    def _existing(self) -> Sql:
        """Return what is true of an entry whose beneficiary isn't newly attributed. One EXISTS, so it can be joined."""
        has_stayed, values = "{}.beneficiary_id <> ALL({{}})", (list(self.returned_ids),)
        if not self.has_newly_attributed:
            return has_stayed.format("entry"), values
        # No roster has the number 0: without an earlier one, all are newly attributed.
        earlier = self.earlier_roster_id or 0
        if not self.returned_ids:
            return _on("earlier", "= {}", (earlier,))
        return _on("earlier", f"= {{}} AND {has_stayed.format('earlier')}", (earlier, *values))


def _on(name: str, rosters: str, values: tuple[Any, ...]) -> Sql:
    """Return what is true of an entry whose beneficiary is also on some rosters."""
    sql = f"""EXISTS (
        SELECT FROM attribution_rosterentry {name}
        WHERE {name}.beneficiary_id = entry.beneficiary_id AND {name}.roster_id {rosters}
    )"""  # fixed text; the values are bound
    return sql, values


def _among(beneficiaries: Sql) -> Sql:
    """Return what is true of an entry whose beneficiary is one of those that a query gives. Never NULL.

    PostgreSQL runs the query once and looks each entry up: its ids depend on no entry.
    """
    return f"entry.beneficiary_id IN ({beneficiaries[0]})", beneficiaries[1]


def _without(condition: Sql) -> Sql:
    return f"NOT ({condition[0]})", condition[1]


def _count(entries: tuple[str, list[Any]]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {entries[0]}", entries[1])
        return int(cursor.fetchone()[0])


# --- Rules ----------------------------------------------------------------------------------------------------------


def counts(cohorts: Mapping[Key, Cohort]) -> dict[Key, int]:
    """Return how many beneficiaries of each cohort get something now, in one query."""
    if not cohorts:
        return {}
    parts = [cohort._entries() for cohort in cohorts.values()]  # noqa: SLF001  # its own module
    selects = [f"SELECT {number}, count(*) {entries}" for number, (entries, _) in enumerate(parts)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects), [value for _, values in parts for value in values])
        found = dict(cursor.fetchall())
    return {key: found[number] for number, key in enumerate(cohorts)}


class ForeignRosterError(RuntimeError):
    """A rule has named a roster that is not the organization's, or not published."""


def on_roster(roster: RosterFile) -> Cohort:
    """Return everyone on a roster."""
    return Cohort("all", (roster.pk,), consent=consent_of(roster.organization))


def consent_of(organization: Organization) -> Consent:
    """Return what an organization must know of preferences. For a limited one, its bounds apply."""
    rule = organization.program.consent if organization.program else ConsentRule()
    return Consent(rule.honors_opt_outs, as_of=organization.bounds().opt_out_as_of)


# Returns the cohort of an organization, for an export of what changed since a time or of everything. None without a
# roster that it can use.
Decision = Callable[[Organization, dt.datetime | None], Cohort | None]


@dataclass(frozen=True, slots=True)
class CohortRule:
    """What `Group/{group_id}/$export` exports. A job stores the cohort, not the rule."""

    group_id: str  # lower case letters, digits and hyphens, 32 at most
    title: str  # in the portal, after "Group/{group_id}: "
    description: str
    decide: Decision

    def __post_init__(self) -> None:
        if _GROUP_ID.fullmatch(self.group_id) is None:
            raise ValueError(f"{self.group_id!r} can't be a group ID. Use 1 to 32 of a to z, 0 to 9, and hyphens.")

    def cohort_of(self, organization: Organization, since: dt.datetime | None) -> Cohort | None:
        """Return the cohort of an organization, under the rule's name. None without a roster that it can use.

        Raises ForeignRosterError if it names a roster that is not the organization's, or not published: a mistake in a
        rule can't give an organization the beneficiaries of another.
        """
        cohort = self.decide(organization, since)
        if cohort is None:
            return None
        named = {*cohort.roster_ids, *cohort.subtracted_roster_ids}
        earlier = set(filter(None, [cohort.earlier_roster_id]))
        own = RosterFile.objects.for_organization(organization)
        # The earlier one can have been rolled back since.
        usable = own.published().filter(pk__in=named) | own.once_in_force().filter(pk__in=earlier)
        if usable.count() != len(named | earlier):
            raise ForeignRosterError(f"The rule of Group/{self.group_id} names rosters that {organization} can't use.")
        return replace(cohort, rule=self.group_id).with_consent(organization, since)


def _all(organization: Organization, since: dt.datetime | None) -> Cohort | None:
    """Everyone on the roster in use. Newly attributed: those who were not on the one that was in use at `since`."""
    roster = exported_roster(organization)
    if roster is None:
        return None
    whole = on_roster(roster)
    if since is None:
        return whole
    earlier = roster_as_of(organization, since, until=organization.bounds().attribution_until)
    if earlier == roster:
        return whole
    return replace(whole, earlier_roster_id=earlier.pk if earlier else None, has_newly_attributed=True)


# Patient/$export has the same beneficiaries, and newly attributed ones are not special in it.
ALL = CohortRule(
    group_id="all",
    title="full history for new beneficiaries",
    description="The usual choice. For beneficiaries who were on your roster at the time below, you get what changed "
    "since then. For beneficiaries who joined later, you get all their claims.",
    decide=_all,
)


def _runout(organization: Organization, since: dt.datetime | None) -> Cohort | None:  # noqa: ARG001  # a Decision
    """Those on last year's runout roster who are not on the roster in use, if there is one.

    None is newly attributed: all of them were attributed last year.
    """
    roster = exported_roster(organization, RosterFile.Kind.RUNOUT)
    if roster is None:
        return None
    current = exported_roster(organization)
    return Cohort(
        "runout",
        (roster.pk,),
        subtracted_roster_ids=(current.pk,) if current else (),
        claims_through_date=dt.date(roster.performance_year, 12, 31),
    )


RUNOUT = CohortRule(
    group_id="runout",
    title="last year’s claims of beneficiaries who left",
    description="For beneficiaries who were attributed last year and are not on your roster now, you get claims for "
    "services up to December 31 of last year. It needs a runout roster.",
    decide=_runout,
)
COHORT_RULES: Registry[str, CohortRule] = Registry("cohort rules", lambda rule: rule.group_id, ALL, RUNOUT)


# --- Rosters --------------------------------------------------------------------------------------------------------


def current_roster(
    organization: Organization, kind: str = CURRENT, *, until: dt.date | None = None
) -> RosterFile | None:
    """Return the newest published roster of a kind, or None. CMS's own date decides, not the order of arrival.

    `until` leaves out rosters that CMS made after that day.
    """
    return _newest_first(organization, kind, until).first()


def exported_roster(
    organization: Organization, kind: str = CURRENT, *, without: RosterFile | None = None
) -> RosterFile | None:
    """Return the roster that an export of the organization uses now, or None. For a limited one, its bounds apply.

    It must not be too old, nor of another performance year than the settings allow.
    """
    rosters = _newest_first(organization, kind, organization.bounds().attribution_until)
    others = rosters.exclude(pk=without.pk) if without else rosters
    return others.filter(staleness.usable(organization, kind, timezone.now())).first()


def exported_rosters(organizations: Iterable[Organization]) -> dict[int, RosterFile]:
    """Return `exported_roster` for each organization that has one, by the organization's primary key, in one query."""
    wanted, now = Q(pk__in=[]), timezone.now()
    for organization in organizations:
        until = organization.bounds().attribution_until
        bounded = Q(file_timestamp__date__lte=until) if until else Q()
        wanted |= Q(organization=organization) & bounded & staleness.usable(organization, CURRENT, now)
    rosters = RosterFile.objects.published().filter(wanted, kind=CURRENT).select_related("organization")
    return {roster.organization_id: roster for roster in rosters.newest_of_each_organization()}


def roster_as_of(
    organization: Organization, moment: dt.datetime, kind: str = CURRENT, *, until: dt.date | None = None
) -> RosterFile | None:
    """Return the roster that was in force at a time, or None: the newest of those that were published then.

    One that was rolled back later was in force, too. A roster for the next year is not in force before that year.
    """
    known = _bounded(RosterFile.objects.published_at_the_time(moment), organization, kind, until)
    return known.filter(performance_year__lte=moment.year).first()


def roster_before(roster: RosterFile) -> RosterFile | None:
    """Return the published roster before this one in CMS's order, of the same organization and kind, or None."""
    older_year = Q(performance_year__lt=roster.performance_year)
    same_year = Q(performance_year=roster.performance_year)
    older_file = Q(file_timestamp__lt=roster.file_timestamp)
    same_moment = Q(file_timestamp=roster.file_timestamp, pk__lt=roster.pk)
    earlier = older_year | (same_year & (older_file | same_moment))
    return _newest_first(roster.organization, roster.kind).filter(earlier).first()


def _newest_first(organization: Organization, kind: str, until: dt.date | None = None) -> RosterFileQuerySet:
    return _bounded(RosterFile.objects.published(), organization, kind, until)


def _bounded(
    among: RosterFileQuerySet, organization: Organization, kind: str, until: dt.date | None
) -> RosterFileQuerySet:
    rosters = among.for_organization(organization).filter(kind=kind).newest_first()
    return rosters.filter(file_timestamp__date__lte=until) if until else rosters
