"""The chunk's key gets the variant, and a load its versions, while code of the release before goes on writing."""

import datetime as dt
import re
import threading

import pytest
from django.db import IntegrityError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from attribution.models import Mbi
from exports.claims.loader import loading, pack
from exports.claims.splice import deflate
from exports.claims.undo import take_back
from exports.models import Chunk, Load
from tests.exports.store import arrival, deleted, exported, patient, run, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unhurried")]

BEFORE, BUILT = "0013_pin_cohorts", "0015_index_variants"


@pytest.fixture
def migrate():
    """Migrates the exports to a migration; at the end they are as new as before."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("exports")

    def to(name: str | None = None) -> None:
        executor = MigrationExecutor(connection)
        executor.migrate([("exports", name)] if name else newest)

    yield to
    Chunk.objects.exclude(variant="full").delete()
    MigrationExecutor(connection).migrate(newest)


@pytest.fixture
def mbi(world) -> str:
    (mbi,) = world.beneficiaries(1)
    world.roster(world.harbor, [mbi], published_at=timezone.now() - dt.timedelta(days=1))
    return mbi


def query(text: str, *values):
    with connection.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else None


class ReleaseBefore:
    """What code of the release before writes, in its own statements: they name neither variant nor versions."""

    def __init__(self, mbi: str) -> None:
        self.beneficiary_id = Mbi.objects.get(value=mbi).beneficiary_id

    def load(self, number: int, *, replaced: int | None = None) -> int:
        """Load one claim, which can replace another one that is alone in its chunk."""
        now = timezone.now()
        [[load_id]] = query(
            "INSERT INTO exports_load (source, version, loaded_at, resource_count, raw_length)"
            " VALUES ('the release before', 2, %s, 1, 1) RETURNING id",
            now,
        )
        body = deflate(arrival("ExplanationOfBenefit", f"e-{number}").line, 1)
        columns = (
            "version, resource_type, beneficiary_id, load_id, first_updated, last_updated, "
            "first_service_date, last_service_date, resource_count, raw_length, crc32, segments, body"
        )
        row = (2, "ExplanationOfBenefit", self.beneficiary_id, load_id, now, now, None, None)
        with connection.cursor() as cursor, cursor.copy(f"COPY exports_chunk ({columns}) FROM STDIN") as copy:
            copy.write_row((*row, 1, body.raw_length, body.crc32, None, bytes(body.deflated)))
        if replaced is not None:
            query(
                "UPDATE exports_chunk SET superseded_by_id = %s WHERE version = 2 AND load_id = %s "
                "AND resource_type = 'ExplanationOfBenefit' AND beneficiary_id = %s",
                *(load_id, replaced, self.beneficiary_id),
            )
            query(
                "INSERT INTO exports_deletion (load_id, version, resource_type, beneficiary_id, is_replaced,"
                " resource_ids, service_dates) VALUES (%s, 2, 'ExplanationOfBenefit', %s, false, %s, %s)",
                *(load_id, self.beneficiary_id, ["e-1"], [None]),
            )
        return load_id


def files() -> dict[str, int]:
    """The file of each table and index of the chunks: another one means that it was written anew."""
    return dict(
        query(
            "SELECT relname, relfilenode FROM pg_class WHERE relkind IN ('r', 'i') "
            "AND (relname LIKE 'exports_chunk%%' OR relname LIKE '%%deletion%%')"
        )
    )


def keys() -> set[str]:
    """The unique indexes of the chunks and their parts, and those of deletions; each must be valid."""
    found = query(
        "SELECT indexdef, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid"
        " JOIN pg_indexes ON indexname = relname"
        " WHERE indisunique AND (tablename LIKE 'exports_chunk%%' OR tablename = 'exports_deletion')"
    )
    assert all(is_valid for _, is_valid in found)
    return {re.sub(r".* ON (ONLY )?", "", definition) for definition, _ in found}


def test_an_older_store_comes_along_and_the_release_before_goes_on(world, mbi, migrate):
    migrate(BEFORE)
    before = ReleaseBefore(mbi)
    first = before.load(1)

    migrate()
    second = before.load(2, replaced=first)

    assert set(Chunk.objects.values_list("variant", flat=True)) == {"full"}
    assert Load.objects.get(pk=second).api_versions == [2]
    everything = run(start(world.harbor))
    assert exported(everything) == {"ExplanationOfBenefit": ["e-2"]}
    since = run(start(world.harbor, since=Load.objects.get(pk=first).loaded_at))
    assert deleted(since) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-1"]]}
    undoing = take_back(Load.objects.get(pk=second))
    assert undoing.versions == [2]
    assert exported(run(start(world.harbor))) == {"ExplanationOfBenefit": ["e-1"]}


def test_a_load_is_written_by_the_release_before_at_any_moment_of_the_migration(world, mbi, migrate):
    migrate(BEFORE)
    before, is_over = ReleaseBefore(mbi), threading.Event()
    written: list[int] = []

    def write() -> None:
        while not is_over.is_set():
            written.append(before.load(len(written)))
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        migrate()
    finally:
        is_over.set()
        writer.join()

    assert len(written) > 20
    assert exported(run(start(world.harbor))) == {"ExplanationOfBenefit": [f"e-{n}" for n in range(len(written))]}


def test_the_keys_change_and_nothing_is_built_while_others_wait(mbi, migrate):
    migrate(BUILT)
    ReleaseBefore(mbi).load(1)
    built = files()

    migrate("0016_make_the_variant_a_part_of_the_keys")

    after = files()
    assert set(after.values()) < set(built.values())
    assert after["exports_chunk_patient_pkey"] == built["exports_chunk_patient_key"]
    assert after["deletion_once"] == built["deletion_once_new"]


def test_an_index_that_an_interrupted_run_has_left_is_built_anew(mbi, migrate):
    migrate("0014_add_variants")
    query("CREATE INDEX exports_chunk_patient_key ON exports_chunk_patient (version)")

    migrate()

    keys_of_patients = [key for key in keys() if key.startswith("public.exports_chunk_patient")]
    assert len(keys_of_patients) == 2
    assert all("variant" in key for key in keys_of_patients)


def test_all_keys_have_the_variant_and_the_way_back_gives_those_of_before(mbi, migrate):
    migrate()
    now = keys()

    migrate(BEFORE)

    then = keys()
    assert {key for key in now if "variant" not in key} == {"public.exports_deletion USING btree (id)"}
    assert then == {key.replace("variant, ", "") for key in now}
    migrate()
    assert keys() == now


def test_a_store_with_another_variant_does_not_go_back(mbi, migrate):
    with loading("a test") as under_way:
        under_way.add_packed(mbi, pack([patient(mbi)], version=2, variant="basis"))

    with pytest.raises(ProgrammingError, match="another variant"):
        migrate(BEFORE)

    assert Chunk.objects.get().variant == "basis"


def test_the_release_before_cannot_revert_a_load_of_several_versions(mbi):
    with loading("a test") as under_way:
        under_way.add_packed(mbi, [*pack([patient(mbi)], version=2), *pack([patient(mbi)], version=9)])
    under_way.load.refresh_from_db()

    # It would mix them. But it writes the load's one version into each chunk.
    with pytest.raises(IntegrityError, match="version"):
        query(
            "INSERT INTO exports_chunk (version, resource_type, beneficiary_id, load_id, first_updated, last_updated,"
            " resource_count, raw_length, crc32, body) SELECT %s, resource_type, beneficiary_id, load_id,"
            " first_updated, last_updated, resource_count, raw_length, crc32, body FROM exports_chunk LIMIT 1",
            under_way.load.version,
        )
