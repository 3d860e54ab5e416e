"""Sandboxes that are made in a moment, and what the store has of them, for the tests of `make_sandbox`."""

import io
from collections import Counter
from collections.abc import Callable, Sequence

import psutil
from django.core.management import call_command
from django.db import transaction

from credentials.programs import REACH, SSP
from exports.claims import splice
from exports.claims.loader import resource_id
from exports.intake.sandbox import Size
from exports.models import Chunk, Load

TINY = Size(
    name="tiny",
    entity_id="A9931",
    organization_name="Tiny",
    program=SSP,
    people=30,
    first_person=9_000_000,
    years=1,
    people_a_load=10,
)
PARTIAL = Size(
    name="tiny-partial",
    entity_id="D9931",
    organization_name="Tiny and partial",
    program=REACH,
    people=12,
    first_person=9_100_000,
    years=1,
)
SIZES = (TINY, PARTIAL)

PATIENCE_SECONDS = 60


def make(*arguments: str) -> str:
    """What the command writes; it works in this process unless it is told otherwise."""
    output = io.StringIO()
    call_command("make_sandbox", "--processes", "1", *arguments, sizes=SIZES, stdout=output)
    return output.getvalue()


def interrupt_after(count: int) -> Callable[[], None]:
    """What Ctrl-C does when so many loads are done."""
    rest = iter(range(count - 1))

    def on_load() -> None:
        if next(rest, None) is None:
            raise KeyboardInterrupt

    return on_load


def made_elsewhere(act):
    """What `act` returns; what it did to the database is undone."""
    with transaction.atomic():
        found = act()
        transaction.set_rollback(True)
    return found


def stored() -> list[tuple]:
    """All chunks of the store, without the numbers that PostgreSQL gives: they are others each time."""
    loads = {load: place for place, load in enumerate(Load.objects.order_by("id").values_list("pk", flat=True))}
    return sorted(
        (
            chunk.beneficiary.mbis.get().value,
            chunk.resource_type,
            loads[chunk.load_id],
            loads.get(chunk.superseded_by_id, -1),
            chunk.last_updated,
            str(chunk.first_service_date),
            str(chunk.last_service_date),
            chunk.resource_count,
            chunk.crc32,
            bytes(chunk.body),
        )
        for chunk in Chunk.objects.select_related("beneficiary")
    )


def claims() -> Counter[str]:
    """How often each claim is in the store now, by the id of its ExplanationOfBenefit."""
    found: Counter[str] = Counter()
    for chunk in Chunk.objects.filter(resource_type="ExplanationOfBenefit", superseded_by=None):
        found.update(resource_id(line) for line in splice.inflate(chunk.body).splitlines())
    return found


def left_over(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that do not end by themselves, although they should. They are ended all the same."""
    _, left = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    for process in left:
        process.kill()
    return left
