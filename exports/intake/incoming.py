"""The resources of a load as rows of a temporary table: finds problems between them, and their beneficiaries.

A row has the place of a line, not its content. So a load can have any size: comparing and sorting are the database's
work, which uses its disk.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

from credentials.problem_list import ProblemList
from exports.intake.disclosure import Disclosure
from exports.intake.problems import Place, Problem
from exports.intake.resources import IncomingResource

# Dropped at the end of the transaction.
_DROP = "DROP TABLE IF EXISTS pg_temp.incoming_resource, pg_temp.incoming_patient, pg_temp.incoming_owner"
_CREATE = """
    CREATE TEMPORARY TABLE incoming_resource (
        file integer NOT NULL, line bigint NOT NULL, resource_type text NOT NULL, id text NOT NULL,
        patient text NOT NULL, current_mbis text[] NOT NULL, older_mbis text[] NOT NULL,
        service_date date, disclosure text NOT NULL, judged_by text,
        spool smallint NOT NULL, place bigint NOT NULL, length integer NOT NULL
    ) ON COMMIT DROP
"""
_COLUMNS = {
    "file": "int4", "line": "int8", "resource_type": "text", "id": "text",
    "patient": "text", "current_mbis": "text[]", "older_mbis": "text[]",
    "service_date": "date", "disclosure": "text", "judged_by": "text",
    "spool": "int2", "place": "int8", "length": "int4",
}  # fmt: skip

# The Patients of the load, each with the beneficiary of its MBIs. The current one must be on a roster, and no other MBI
# can belong to another beneficiary.
_FIND_PATIENTS = """
    CREATE TEMPORARY TABLE incoming_patient ON COMMIT DROP AS
        SELECT file, line, resource_type, patient,
               min(known.beneficiary_id) FILTER (WHERE is_current) AS beneficiary_id,
               coalesce(min(known.beneficiary_id) <> max(known.beneficiary_id), false) AS is_torn
        FROM incoming_resource
        CROSS JOIN LATERAL (
            SELECT unnest(current_mbis) AS mbi, true AS is_current
            UNION ALL SELECT unnest(older_mbis), false
        ) AS named
        LEFT JOIN attribution_mbi AS known ON known.value = named.mbi
        GROUP BY file, line, resource_type, patient
"""

_FIND_PROBLEMS = """
    SELECT kind, file, line, resource_type, first_file, first_line, count(*) OVER () FROM (
        SELECT 'repeated' AS kind, file, line, resource_type, first_file, first_line
        FROM (
            SELECT file, line, resource_type,
                   first_value(file) OVER same AS first_file, first_value(line) OVER same AS first_line
            FROM incoming_resource
            JOIN (
                SELECT resource_type, id FROM incoming_resource GROUP BY resource_type, id HAVING count(*) > 1
            ) AS several USING (resource_type, id)
            WINDOW same AS (PARTITION BY resource_type, id ORDER BY file, line)
        ) AS repeated
        WHERE (file, line) <> (first_file, first_line)
        UNION ALL
        SELECT 'torn', file, line, resource_type, NULL, NULL FROM incoming_patient WHERE is_torn
        UNION ALL
        SELECT 'stranger', file, line, resource_type, NULL, NULL
        FROM incoming_patient WHERE beneficiary_id IS NULL AND NOT is_torn
        UNION ALL
        SELECT 'reassigned', file, line, resource_type, NULL, NULL
        FROM incoming_patient
        JOIN exports_patientidentity AS known ON known.version = %(version)s AND known.patient_id = patient
        WHERE known.beneficiary_id <> incoming_patient.beneficiary_id AND NOT is_torn
        UNION ALL
        SELECT 'orphan', file, line, resource_type, NULL, NULL
        FROM incoming_resource AS claim
        WHERE %(are_patients_complete)s
          AND NOT EXISTS (SELECT FROM incoming_patient WHERE incoming_patient.patient = claim.patient)
          AND NOT EXISTS (
              SELECT FROM exports_patientidentity AS known
              WHERE known.version = %(version)s AND known.patient_id = claim.patient
          )
    ) AS problem
    ORDER BY file, line
    LIMIT %(limit)s
"""
_REASONS = {
    "torn": (
        "The MBIs of its Patient belong to different beneficiaries. Ask the source which one is right. "
        "Until then, remove the resources of this Patient."
    ),
    "stranger": (
        "The current MBI of its Patient is on no roster. Load the roster with this MBI first, "
        "or remove the resources of this Patient."
    ),
    "reassigned": (
        "An earlier load used the id of this Patient for another beneficiary. An id must belong to one beneficiary. "
        "Ask the source which one is right."
    ),
    "orphan": ("Its Patient is neither in these files nor in an earlier load. Add the Patient to the load."),
}

# A response is disclosed if its Claim is. Without the Claim, it is unknown what it answers.
_JUDGE_RESPONSES = """
    UPDATE incoming_resource AS response SET disclosure = claim.disclosure
    FROM incoming_resource AS claim
    WHERE claim.resource_type = 'Claim' AND claim.id = response.judged_by
"""
_FIND_OWNERS = """
    CREATE TEMPORARY TABLE incoming_owner ON COMMIT DROP AS
        SELECT DISTINCT patient, beneficiary_id FROM incoming_patient
        UNION ALL
        SELECT patient_id, beneficiary_id FROM exports_patientidentity
        WHERE version = %s AND patient_id IN (
            SELECT patient FROM incoming_resource EXCEPT SELECT patient FROM incoming_patient
        )
"""
_COUNT_RESOURCES = """
    SELECT disclosure, resource_type, count(*), sum(length), min(ARRAY[file, line])
    FROM incoming_resource GROUP BY disclosure, resource_type
"""
# Counts the load. Withheld resources are left out.
_COUNT_BENEFICIARIES = """
    SELECT count(*), coalesce(sum((patients > 1)::int), 0) FROM (
        SELECT count(DISTINCT patient) FILTER (WHERE patient NOT LIKE '#%%') AS patients
        FROM incoming_resource JOIN incoming_owner USING (patient)
        WHERE disclosure = %s
        GROUP BY beneficiary_id
    ) AS owner
"""
# A beneficiary can have several Patients, whose lines are in several files of the spool. Then the first one decides.
_IN_ORDER = """
    SELECT beneficiary_id, resource_type, id, service_date, disclosure, spool, place, length
    FROM (
        SELECT *, min(spool) OVER (PARTITION BY beneficiary_id) AS first_spool
        FROM incoming_resource JOIN incoming_owner USING (patient)
    ) AS owned
    ORDER BY first_spool, beneficiary_id, file, line
"""
_ROWS_A_FETCH = 2000


@dataclass(frozen=True, slots=True)
class Spooled:
    """A resource with its beneficiary and the place of its line. A withheld one may have no line."""

    beneficiary_id: int
    resource_type: str
    id: str
    service_date: dt.date | None
    is_withheld: bool
    spool: int
    place: int
    length: int


@dataclass(slots=True)
class Tally:
    """What a load has, and what it leaves out: numbers of resources by type."""

    resources: dict[str, int]
    raw_length: int
    beneficiary_count: int
    with_several_patients: int
    listed: dict[str, int]
    unjudged: dict[str, int]
    first_unjudged: Place | None


class Filling:
    """Collects the resources of a load."""

    def __init__(self, write_row: Any) -> None:
        self._write_row = write_row

    def add(self, at: Place, resource: IncomingResource, *, spool: int, place: int, length: int) -> None:
        owner = resource.owner
        self._write_row(
            (
                at.file,
                at.line,
                resource.resource_type,
                resource.id,
                owner.patient,
                [*owner.current_mbis],
                [*owner.older_mbis],
                resource.service_date,
                resource.disclosure.value,
                resource.judged_by,
                spool,
                place,
                length,
            )
        )


@contextmanager
def filling() -> Iterator[Filling]:
    """Create a new table of resources. While it is filled, the connection can't run other queries."""
    with connection.cursor() as cursor:
        cursor.execute(_DROP)
        cursor.execute(_CREATE)
        with cursor.copy(f"COPY incoming_resource ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types([*_COLUMNS.values()])
            yield Filling(copy.write_row)


def find_problems(problems: ProblemList[Problem], *, version: int) -> None:
    """Add problems between the resources, and between them and what the database knows.

    If lines were refused, their Patients may be among them. Then a missing Patient is not a problem.
    """
    parameters = {"version": version, "are_patients_complete": not problems, "limit": problems.at_most}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE incoming_resource")
        cursor.execute(_FIND_PATIENTS)
        cursor.execute("ANALYZE incoming_patient")
        cursor.execute(_FIND_PROBLEMS, parameters)
        rows = cursor.fetchall()
    if rows:
        found = [_problem(row[:-1]) for row in rows]
        problems.extend(found, total=rows[0][-1], order=lambda problem: problem.place)


def _problem(row: tuple[str, int, int, str, int | None, int | None]) -> Problem:
    kind, file, line, resource_type, first_file, first_line = row
    if first_file is None or first_line is None:
        return Problem(Place(file, line), _REASONS[kind])
    reason = f"This {resource_type} has the same id as the one in {{}}. An id must be unique in a load. Remove one."
    return Problem(Place(file, line), reason, see=Place(first_file, first_line))


def find_owners(*, version: int) -> Tally:
    """Find the beneficiary of each resource, and which ones are withheld, after all problems are excluded."""
    with connection.cursor() as cursor:
        cursor.execute(_JUDGE_RESPONSES)
        cursor.execute(_FIND_OWNERS, [version])
        cursor.execute("ANALYZE incoming_owner")
        cursor.execute(_COUNT_BENEFICIARIES, [Disclosure.FREE])
        beneficiary_count, with_several_patients = cursor.fetchone()
        cursor.execute(_COUNT_RESOURCES)
        rows = cursor.fetchall()
    counted: dict[str, dict[str, int]] = {each.value: {} for each in Disclosure}
    for disclosure, resource_type, count, _, _ in rows:
        counted[disclosure][resource_type] = count
    unjudged = min((first for disclosure, _, _, _, first in rows if disclosure == Disclosure.UNJUDGED), default=None)
    return Tally(
        resources=counted[Disclosure.FREE],
        raw_length=sum(length for disclosure, _, _, length, _ in rows if disclosure == Disclosure.FREE),
        beneficiary_count=beneficiary_count,
        with_several_patients=with_several_patients,
        listed=counted[Disclosure.LISTED],
        unjudged=counted[Disclosure.UNJUDGED],
        first_unjudged=Place(*unjudged) if unjudged else None,
    )


def in_order() -> Iterator[Spooled]:
    """Yield all resources, those of a beneficiary one after another."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_IN_ORDER)
        while rows := cursor.fetchmany(_ROWS_A_FETCH):
            for beneficiary_id, resource_type, id_, service_date, disclosure, spool, place, length in rows:
                is_withheld = disclosure != Disclosure.FREE
                yield Spooled(beneficiary_id, resource_type, id_, service_date, is_withheld, spool, place, length)
