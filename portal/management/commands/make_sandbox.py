"""`manage.py make_sandbox`: synthetic organizations of the documented sizes, to build and to test clients against."""

import os
import shutil
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Self, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from credentials.access import gate
from credentials.clients.allow_lists import AddressesRefusedError, checked_addresses
from credentials.clients.issuing import NameTakenError, create_client
from credentials.models import Organization
from exports.intake import parallel, sandbox
from exports.intake.sandbox import NotASandboxError, Size, Standing
from portal.laptop.processes import ended_by_signals

CLIENT_NAME = "Sandbox"
WAITING = "Another make_sandbox is at work in this database; waiting for it …"
INTERRUPTED = 130  # what a shell says of a command that Ctrl-C ended
PLAIN_WIDTH = 160  # where no terminal says how wide it is
# What a person takes of the database and of one core's time (docs/sandbox.md): something, and more for each year.
BYTES_A_PERSON, BYTES_A_YEAR = 18_000, 10_500
SECONDS_A_PERSON, SECONDS_A_YEAR = 0.012, 0.006
SECONDS_TO_LOAD_ONE = 0.005  # that part is not shared among the processes
# PostgreSQL's own log of what is written grows beside the data, up to its max_wal_size.
LOG_BYTES_AT_MOST = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Run:
    """What this run did for a sandbox."""

    standing: Standing
    people: float  # people's worth of work
    seconds: float


class Command(BaseCommand):
    help = (
        "Make sandboxes: organizations of synthetic people, with their roster and their claims. Without a size, list "
        "them. What is there stays: a run that was interrupted goes on where it stopped."
    )
    # A run that finds everything there is over in a moment: the checks would take longer.
    requires_system_checks: list[str] = []
    # The tests bring sandboxes that are made in a moment.
    stealth_options = ("sizes",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        cores = os.cpu_count() or 1
        parser.add_argument("names", nargs="*", metavar="SIZE", help="for example simple-2500; none: list the sizes")
        parser.add_argument("--all", action="store_true", dest="takes_all", help="make every size")
        parser.add_argument(
            "--processes", type=int, default=cores, metavar="N", help=f"how many processes make claims ({cores})"
        )
        parser.add_argument(
            "--with-client",
            action="append",
            default=[],
            dest="addresses",
            metavar="ADDRESS",
            help="also make a client that may call from this address, and print its secret, once; may be given again",
        )

    def handle(
        self,
        *args: Any,  # noqa: ARG002  # Django's signature
        names: Sequence[str],
        takes_all: bool,
        processes: int,
        addresses: Sequence[str],
        sizes: Sequence[Size] = sandbox.SIZES,
        **options: Any,  # noqa: ARG002  # Django's signature
    ) -> None:
        self.stdout.ending = ""  # rich ends its lines itself
        console = Console(file=cast("IO[str]", self.stdout), highlight=False)
        if not console.is_terminal:
            console.width = PLAIN_WIDTH
        if processes < 1:
            raise CommandError(f"--processes {processes}: it takes a process to make claims. Give 1 or more.")
        chosen = list(sizes) if takes_all else _chosen(names, sizes)
        if addresses and not chosen:
            raise CommandError("--with-client: name the size whose organization is to have the client.")
        allowed = _allowed(addresses)
        _check_database()
        if not chosen:
            _list(console, sizes, processes)
            return
        with _ending_in_words(), ended_by_signals(), sandbox.alone(lambda: console.print(WAITING)):
            runs = _make(console, chosen, processes)
        _tell(console, runs)
        _make_clients(console, chosen, allowed)


# --- What is asked for ----------------------------------------------------------------------------------------------


def _chosen(names: Sequence[str], sizes: Sequence[Size]) -> list[Size]:
    by_name = {size.name: size for size in sizes}
    if unknown := [name for name in names if name not in by_name]:
        raise CommandError(f"There is no size {', '.join(unknown)}. The sizes are {', '.join(by_name)}.")
    return [by_name[name] for name in dict.fromkeys(names)]


def _allowed(addresses: Sequence[str]) -> list[str]:
    """The addresses as they will stand on the list: what is wrong with them is said before hours of work."""
    if not addresses:
        return []
    try:
        return checked_addresses(addresses, allows_loopback=gate.allows_loopback(Organization(is_sandbox=True)))
    except AddressesRefusedError as error:
        raise CommandError(f"--with-client: {error}") from error


def _check_database() -> None:
    migrations = MigrationExecutor(connection)
    if migrations.migration_plan(migrations.loader.graph.leaf_nodes()):
        raise CommandError("The database lacks tables or columns. Run `python manage.py migrate`, then this again.")


# --- The list -------------------------------------------------------------------------------------------------------


def _list(console: Console, sizes: Sequence[Size], processes: int) -> None:
    table = Table("Size", "entity", "people", "claims", "there", "room", "time", box=None)
    for place in (2, 5, 6):
        table.columns[place].justify = "right"
    for size in sizes:
        standing = sandbox.standing(size)
        table.add_row(
            size.name,
            size.entity_id,
            f"{size.people:,}",
            size.contents,
            _how_far(standing),
            decimal(_bytes(size, size.people)),
            _about(_seconds(size, processes)),
        )
    console.print(table)
    console.print(f"\nRoom and time are about right for {processes} processes on a machine of 2026. To make some:\n")
    console.print(f"    python manage.py make_sandbox {sizes[0].name} {sizes[-1].name}")


def _how_far(standing: Standing) -> str:
    if not standing.missing:
        return "yes"
    return f"{standing.people_done / standing.size.people:.0%}" if standing.loads else "no"


def _bytes(size: Size, people: float) -> int:
    return int(people * (BYTES_A_PERSON + size.years * BYTES_A_YEAR))


def _seconds(size: Size, processes: int) -> float:
    together = (SECONDS_A_PERSON + size.years * SECONDS_A_YEAR) / min(processes, os.cpu_count() or 1)
    return size.people * max(together, SECONDS_TO_LOAD_ONE)


def _about(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


# --- Making ---------------------------------------------------------------------------------------------------------


@contextmanager
def _ending_in_words() -> Iterator[None]:
    """Whatever ends the block early is said in words, with how to go on."""
    kept = "The loads that were finished stay, and nothing of the one under way: the same command goes on from there."
    try:
        yield
    except NotASandboxError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt as error:
        raise CommandError(f"Stopped. {kept}", returncode=INTERRUPTED) from error
    except BrokenExecutor as error:
        lost = "A process that made claims was ended from outside, perhaps for want of memory: use fewer --processes."
        raise CommandError(f"{lost} {kept}") from error
    except (InterfaceError, OperationalError) as error:
        raise CommandError(f"The database gave up: {str(error).strip()}\n{kept}") from error


def _make(console: Console, chosen: Sequence[Size], processes: int) -> list[Run]:
    """Make what is missing of some sandboxes."""
    for size in chosen:
        sandbox.check(size)
    standings = [sandbox.standing(size) for size in chosen]
    if not any(standing.missing for standing in standings):
        return [Run(standing, 0, 0) for standing in standings]
    _warn_of_room(console, standings)
    runs: list[Run] = []
    with _Report(console, standings) as report, parallel.processes(processes) as in_order:
        for standing in standings:
            began = time.monotonic()
            report.turn_to(standing)
            after = sandbox.make(standing.size, in_order=in_order, on_progress=report.advance, on_load=report.note_load)
            runs.append(Run(after, after.people_done - standing.people_done, time.monotonic() - began))
    return runs


def _warn_of_room(console: Console, standings: Sequence[Standing]) -> None:
    """Say so when the disk of the embedded database is too small. Another database's disk cannot be seen from here."""
    if not settings.SERVICES.has_postgres:
        return
    place = settings.SERVICES.postgres.home
    free = shutil.disk_usage(place).free
    data = sum(_bytes(standing.size, standing.size.people - standing.people_done) for standing in standings)
    needed = data + min(data, LOG_BYTES_AT_MOST)
    if needed > free:
        console.print(
            f"[bold]This takes about {decimal(needed)}, and the disk of {escape(str(place))} has {decimal(free)} left."
            "[/bold] Make room, or choose a smaller size. It goes on until the disk is full; what is loaded then stays."
        )


class _Report:
    """How far the sandboxes are: a bar on a terminal, a line a load elsewhere."""

    def __init__(self, console: Console, standings: Sequence[Standing]) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} people"),
            _Rate(),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(
            "",
            total=sum(standing.size.people for standing in standings),
            completed=int(sum(standing.people_done for standing in standings)),
        )
        self._size = standings[0].size
        self._done = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def turn_to(self, standing: Standing) -> None:
        self._size, self._done = standing.size, standing.people_done
        self._bar.update(self._task, description=standing.size.name)

    def advance(self, people: float) -> None:
        self._done += people
        self._bar.advance(self._task, people)

    def note_load(self) -> None:
        if not self._console.is_terminal:
            self._console.print(f"{self._size.name}: {self._done:,.0f} of {self._size.people:,} people")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} people/s" if task.speed else "", style="progress.data.speed")


# --- What was made --------------------------------------------------------------------------------------------------


def _tell(console: Console, runs: Sequence[Run]) -> None:
    if there := [run.standing.size.name for run in runs if not run.people]:
        console.print(f"There already, so nothing was done for it: {', '.join(there)}\n")
    table = Table("Size", "entity", "people", "resources", "NDJSON", "loads", "seconds", "people/s", box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    for run in runs:
        standing = run.standing
        table.add_row(
            standing.size.name,
            standing.size.entity_id,
            f"{standing.size.people:,}",
            f"{sum(load.resource_count for load in standing.loads.values()):,}",
            decimal(sum(load.raw_length for load in standing.loads.values())),
            f"{len(standing.loads):,}",
            f"{run.seconds:,.1f}" if run.people else "",
            f"{run.people / run.seconds:,.0f}" if run.people else "",
        )
    console.print(table)
    console.print("\nThe last month alone is in an export of")
    for run in runs:
        console.print(
            f"  {run.standing.size.name} with _since={run.standing.since:%Y-%m-%dT%H:%M:%S.%fZ}", soft_wrap=True
        )


def _make_clients(console: Console, chosen: Sequence[Size], allowed: Sequence[str]) -> None:
    if not allowed:
        console.print(
            "\nNext: give people a place in an organization in the administration (/admin/): they make its clients in "
            "the portal. Or run this again with --with-client ADDRESS."
        )
        return
    for size in chosen:
        organization = Organization.objects.get(entity_id=size.entity_id)
        try:
            client, secret = create_client(organization=organization, name=CLIENT_NAME, addresses=allowed, by=None)
        except NameTakenError as error:
            console.print(f"\n{error} Its secret is not known here: rotate it in the portal.", markup=False)
        else:
            console.print(f"\n{size.entity_id}, which is told only this once:")
            console.print(f"  client ID      {client.client_id}", markup=False)
            console.print(f"  client secret  {secret}", markup=False, soft_wrap=True)
