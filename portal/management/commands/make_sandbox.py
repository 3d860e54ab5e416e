"""`manage.py make_sandbox`: synthetic organizations in documented sizes, to build and test clients with."""

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
from credentials.actor import Actor
from credentials.clients.allow_lists import AddressesRefusedError, checked_addresses
from credentials.clients.issuing import NameTakenError, create_client
from credentials.models import Organization
from exports.intake import parallel, sandbox
from exports.intake.sandbox import NotASandboxError, SandboxProgress, Size
from exports.versions import VERSIONS
from portal.laptop.processes import ended_by_signals

CLIENT_NAME = "Sandbox"
WAITING = "Another make_sandbox is running on this database. Waiting for it to finish …"
INTERRUPTED = 130  # a shell's exit code after Ctrl-C
PLAIN_WIDTH = 160  # if no terminal gives a width
# Database size and core seconds per beneficiary and API version (docs/sandbox.md): a base, plus more for each year.
BYTES_A_PERSON, BYTES_A_YEAR = 18_000, 10_500
SECONDS_A_PERSON, SECONDS_A_YEAR = 0.012, 0.006
SECONDS_TO_LOAD_ONE = 0.005  # this part doesn't run in parallel
# PostgreSQL's write-ahead log grows beside the data, up to max_wal_size.
LOG_BYTES_AT_MOST = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Run:
    """The work of this run for a sandbox."""

    standing: SandboxProgress
    people: float  # beneficiaries made
    seconds: float


class Command(BaseCommand):
    help = (
        "Create sandboxes: organizations with synthetic beneficiaries, a roster, and claims. Without a size, list the "
        "sizes. Existing data is kept: an interrupted run continues where it stopped."
    )
    # If everything exists, a run takes less time than the checks would.
    requires_system_checks: list[str] = []
    # The tests pass sandboxes that are quick to create.
    stealth_options = ("sizes",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        cores = os.cpu_count() or 1
        parser.add_argument(
            "names", nargs="*", metavar="SIZE", help="for example simple-2500; leave out to list the sizes"
        )
        parser.add_argument("--all", action="store_true", dest="takes_all", help="create all sizes")
        parser.add_argument(
            "--processes",
            type=int,
            default=cores,
            metavar="N",
            help=f"how many processes create claims (default: {cores})",
        )
        parser.add_argument(
            "--with-client",
            action="append",
            default=[],
            dest="addresses",
            metavar="ADDRESS",
            help="also create a client that can call from this IP address, and print its secret once; can be repeated",
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
        self.stdout.ending = ""  # rich adds line ends itself
        console = Console(file=cast("IO[str]", self.stdout), highlight=False)
        if not console.is_terminal:
            console.width = PLAIN_WIDTH
        if processes < 1:
            raise CommandError(f"--processes {processes}: creating claims needs at least 1 process. Use 1 or more.")
        chosen = list(sizes) if takes_all else _chosen(names, sizes)
        if addresses and not chosen:
            raise CommandError("--with-client: add the size whose organization gets the client.")
        allowed = _allowed(addresses)
        _check_database()
        if not chosen:
            _list(console, sizes, processes)
            return
        with _ending_in_words(), ended_by_signals(), sandbox.alone(lambda: console.print(WAITING)):
            runs = _make(console, chosen, processes)
        _tell(console, runs)
        _make_clients(console, chosen, allowed)


# --- The arguments --------------------------------------------------------------------------------------------------


def _chosen(names: Sequence[str], sizes: Sequence[Size]) -> list[Size]:
    by_name = {size.name: size for size in sizes}
    if unknown := [name for name in names if name not in by_name]:
        raise CommandError(f"Unknown size: {', '.join(unknown)}. Use one of: {', '.join(by_name)}.")
    return [by_name[name] for name in dict.fromkeys(names)]


def _allowed(addresses: Sequence[str]) -> list[str]:
    """Return the IP addresses for the IP allow list. Errors are reported before hours of work."""
    if not addresses:
        return []
    try:
        return checked_addresses(addresses, allows_loopback=gate.allows_loopback(Organization(is_sandbox=True)))
    except AddressesRefusedError as error:
        raise CommandError(f"--with-client: {error}") from error


def _check_database() -> None:
    migrations = MigrationExecutor(connection)
    if migrations.migration_plan(migrations.loader.graph.leaf_nodes()):
        raise CommandError("The database is missing tables or columns. Run `python manage.py migrate`, then try again.")


# --- The list -------------------------------------------------------------------------------------------------------


def _list(console: Console, sizes: Sequence[Size], processes: int) -> None:
    table = Table("Size", "entity ID", "beneficiaries", "claims", "created", "disk", "time", box=None)
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
    console.print(f"\nDisk and time are estimates for {processes} processes on a 2026 machine. To create sandboxes:\n")
    console.print(f"    python manage.py make_sandbox {sizes[0].name} {sizes[-1].name}")


def _how_far(standing: SandboxProgress) -> str:
    if not standing.missing:
        return "yes"
    return f"{standing.people_done / standing.size.people:.0%}" if standing.loads else "no"


def _bytes(size: Size, people: float) -> int:
    return int(people * len(VERSIONS) * (BYTES_A_PERSON + size.years * BYTES_A_YEAR))


def _seconds(size: Size, processes: int) -> float:
    together = (SECONDS_A_PERSON + size.years * SECONDS_A_YEAR) / min(processes, os.cpu_count() or 1)
    return size.people * len(VERSIONS) * max(together, SECONDS_TO_LOAD_ONE)


def _about(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


# --- Making ---------------------------------------------------------------------------------------------------------


@contextmanager
def _ending_in_words() -> Iterator[None]:
    """Turn what ends the block early into a message that says how to continue."""
    kept = "Finished loads are kept, and the unfinished one is discarded. To continue, run the same command again."
    try:
        yield
    except NotASandboxError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt as error:
        raise CommandError(f"Stopped. {kept}", returncode=INTERRUPTED) from error
    except BrokenExecutor as error:
        lost = "A process that creates claims was killed, perhaps because memory ran out. Use fewer --processes."
        raise CommandError(f"{lost} {kept}") from error
    except (InterfaceError, OperationalError) as error:
        raise CommandError(f"The database connection failed: {str(error).strip()}\n{kept}") from error


def _make(console: Console, chosen: Sequence[Size], processes: int) -> list[Run]:
    """Create what is missing in these sandboxes."""
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


def _warn_of_room(console: Console, standings: Sequence[SandboxProgress]) -> None:
    """Warn if the disk of the embedded database is too small. The disk of another database can't be checked."""
    if not settings.SERVICES.has_postgres:
        return
    place = settings.SERVICES.postgres.home
    free = shutil.disk_usage(place).free
    data = sum(_bytes(standing.size, standing.size.people - standing.people_done) for standing in standings)
    needed = data + min(data, LOG_BYTES_AT_MOST)
    if needed > free:
        console.print(
            f"[bold]This needs about {decimal(needed)}, but the disk of {escape(str(place))} has {decimal(free)} left."
            "[/bold] Free up space, or choose a smaller size. If the disk gets full, finished loads are kept."
        )


class _Report:
    """Shows the progress: a bar on a terminal, otherwise one line per load."""

    def __init__(self, console: Console, standings: Sequence[SandboxProgress]) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} beneficiaries"),
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

    def turn_to(self, standing: SandboxProgress) -> None:
        self._size, self._done = standing.size, standing.people_done
        self._bar.update(self._task, description=standing.size.name)

    def advance(self, people: float) -> None:
        self._done += people
        self._bar.advance(self._task, people)

    def note_load(self) -> None:
        if not self._console.is_terminal:
            self._console.print(f"{self._size.name}: {self._done:,.0f} of {self._size.people:,} beneficiaries")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} beneficiaries/s" if task.speed else "", style="progress.data.speed")


# --- The result ------------------------------------------------------------------------------------------------------


def _tell(console: Console, runs: Sequence[Run]) -> None:
    if there := [run.standing.size.name for run in runs if not run.people]:
        console.print(f"Already complete, nothing to do: {', '.join(there)}\n")
    table = Table(
        "Size", "entity ID", "beneficiaries", "resources", "NDJSON", "loads", "seconds", "beneficiaries/s", box=None
    )
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
    console.print("\nTo export only the last month:")
    for run in runs:
        console.print(
            f"  {run.standing.size.name} with _since={run.standing.since:%Y-%m-%dT%H:%M:%S.%fZ}", soft_wrap=True
        )


def _make_clients(console: Console, chosen: Sequence[Size], allowed: Sequence[str]) -> None:
    if not allowed:
        console.print(
            "\nNext, add team members to an organization in the administration (/admin/). They can create clients in "
            "the portal. Or run this again with --with-client ADDRESS."
        )
        return
    by = Actor.of_command("make_sandbox")
    for size in chosen:
        organization = Organization.objects.get(entity_id=size.entity_id)
        try:
            client, secret = create_client(organization=organization, name=CLIENT_NAME, addresses=allowed, by=by)
        except NameTakenError as error:
            console.print(
                f"\n{error} Its secret can't be shown again. To get a new one, rotate it in the portal.", markup=False
            )
        else:
            console.print(f"\n{size.entity_id} (shown only once):")
            console.print(f"  client ID      {client.client_id}", markup=False)
            console.print(f"  client secret  {secret}", markup=False, soft_wrap=True)
