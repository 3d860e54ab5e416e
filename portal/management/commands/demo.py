"""`manage.py demo`: Claimsgate on a laptop, from nothing to claims on disk."""

import json
import os
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from exports.versions import DEFAULT
from portal.laptop import demo_content, processes
from portal.laptop.bulk_client import BulkClient, Download

STATUS_SECONDS = 0.2


class Command(BaseCommand):
    help = "Start Claimsgate on this machine with synthetic data, run one export as a client would, and keep running."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="the server's port on this machine (default: 8000)")
        parser.add_argument("--data-dir", metavar="DIR", help="the folder for all data (default: var/)")
        parser.add_argument(
            "--parent", type=int, metavar="PID", help="stop when this parent process ends, such as make's"
        )
        parser.add_argument("--once", action="store_true", help="stop after the export")
        parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  # Django's signature
        # With --json, standard output is for programs; users read standard error.
        console = Console(stderr=options["json"], highlight=False)
        if not processes.is_free(options["port"]):
            raise CommandError(f"Port {options['port']} is already in use. Choose another one with --port.")
        started: list[processes.Process] = []
        with processes.ended_by_signals():
            processes.end_when_unwatched(options["parent"])
            try:
                self._run(console, started, **options)
            except KeyboardInterrupt:
                console.print("\nStopping …")
            except processes.ProcessDiedError as error:
                raise CommandError(str(error)) from error
            finally:
                # If this is interrupted, too, the processes and the servers notice it and end by themselves.
                processes.stop_all(started)
                settings.SERVICES.stop()

    def _run(self, console: Console, started: list[processes.Process], **options: Any) -> None:
        """Run the demo. Started processes are added to the list."""
        folder = Path(settings.DATA_DIR) / "logs"
        base_url = f"http://localhost:{options['port']}"
        # The base URL of links in emails.
        environment = {"PUBLIC_URL": os.environ.get("PUBLIC_URL") or base_url}
        self._prepare_database(console)
        # They start while the claims are being created.
        server = processes.start_server(folder, port=options["port"], environment=environment)
        started.append(server)
        started += processes.start_workers(folder, environment=environment)
        sandbox_facts = self._prepare_sandbox(console)
        processes.wait_until_up(base_url, server)
        export = self._export(console, base_url, sandbox_facts)
        if not options["once"]:
            self._tell(console, base_url, sandbox_facts)
        if options["json"]:
            self.stdout.write(json.dumps({"base_url": base_url, **sandbox_facts, "export": export}))
            sys.stdout.flush()
        while not options["once"]:
            for process in started:
                process.check()
            time.sleep(1)

    def _prepare_database(self, console: Console) -> None:
        with console.status("Starting PostgreSQL and Valkey, preparing the database …"):
            settings.SERVICES.start()
            call_command("migrate", verbosity=0)

    def _prepare_sandbox(self, console: Console) -> dict[str, Any]:
        """Return the sandbox's organizations and users, as in the JSON line."""
        with _progress(console) as progress:
            task = progress.add_task("Creating synthetic claims", total=demo_content.STEPS)
            facts = demo_content.ensure(
                Path(settings.DATA_DIR) / "demo.json", on_progress=lambda: progress.advance(task)
            )
            progress.update(task, completed=demo_content.STEPS)
        return facts

    def _export(self, console: Console, base_url: str, facts: dict[str, Any]) -> dict[str, Any]:
        """Run an export over HTTP. Return its result, as in the JSON line."""
        organization = facts["organizations"][0]
        client = BulkClient(base_url, organization["client_id"], organization["client_secret"])
        began = time.monotonic()
        with _progress(console) as progress:
            task = progress.add_task(f"Exporting for {organization['entity_id']}", total=100)
            job_url = client.start(f"{DEFAULT.path}Group/all/$export")
            while (manifest := client.status(job_url)).output is None:
                progress.update(task, completed=manifest.percent)
                time.sleep(STATUS_SECONDS)
            progress.update(task, completed=100)
        folder = Path(settings.DATA_DIR) / "downloads"
        downloads = [client.download(file, folder) for file in manifest.output]
        seconds = time.monotonic() - began
        console.print(_table(downloads))
        console.print(f"The files are in {folder}.")
        resources: dict[str, int] = {}
        for download in downloads:
            resources[download.resource_type] = resources.get(download.resource_type, 0) + download.resource_count
        return {
            "seconds": round(seconds, 3),
            "files": len(downloads),
            "resources": resources,
            "bytes": sum(download.length for download in downloads),
        }

    def _tell(self, console: Console, base_url: str, facts: dict[str, Any]) -> None:
        """Print how to use the demo."""
        console.print(f"\n[bold]Claimsgate is running at {base_url}[/bold]   (all data is synthetic)\n")
        console.print("Sign in as")
        for person in facts["people"]:
            line = f"  {person['email']:29} password {person['password']}  ({person['who']})"
            console.print(line, soft_wrap=True, markup=False)
        console.print(
            "Harbor requires two-factor authentication: at the first sign-in, set up a passkey or an authenticator "
            "app. Mesa has turned it off: its custodian signs in with only the password.",
            soft_wrap=True,
        )
        console.print("\nClients")
        for organization in facts["organizations"]:
            line = f"  {organization['entity_id']}  {organization['client_id']}  {organization['client_secret']}"
            console.print(line, soft_wrap=True, markup=False)
        first = facts["organizations"][0]
        console.print("\nThe four API calls of a client:\n")
        for command in curl_commands(base_url, first["client_id"], first["client_secret"]):
            console.print(command, soft_wrap=True, markup=False)
            console.print()
        if settings.EMAIL_BACKEND.endswith(".filebased.EmailBackend"):
            console.print(f"Emails aren't sent. They are saved as files in {settings.EMAIL_FILE_PATH}.", soft_wrap=True)
        console.print(f"The administration is at {base_url}/admin/. To stop, press Ctrl-C.")


def curl_commands(base_url: str, client_id: str, client_secret: str) -> list[str]:
    """Return the curl commands for token, start, status, and download."""
    bearer = '-H "Authorization: Bearer $TOKEN"'
    asking = '-H "Accept: application/fhir+json"'
    return [
        f'curl -d "" -X POST "{base_url}/auth/token" --user {client_id}:{client_secret} -H "Accept: application/json"',
        f'curl -i "{base_url}/{DEFAULT.path}Group/all/\\$export" {bearer} {asking} -H "Prefer: respond-async"',
        f'curl -i "{base_url}/{DEFAULT.path}jobs/$JOB" {bearer} {asking}',
        f'curl --compressed -O "{base_url}/data/$JOB/$FILE" {bearer}',
    ]


def _progress(console: Console) -> Progress:
    percent = TextColumn("{task.percentage:>3.0f} %")
    return Progress(TextColumn("{task.description}"), BarColumn(), percent, console=console)


def _table(downloads: list[Download]) -> Table:
    table = Table("Resource type", "files", "resources", "bytes", "bytes sent", "seconds", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for resource_type in dict.fromkeys(download.resource_type for download in downloads):
        of_type = [download for download in downloads if download.resource_type == resource_type]
        table.add_row(
            resource_type,
            str(len(of_type)),
            f"{sum(download.resource_count for download in of_type):,}",
            f"{sum(download.length for download in of_type):,}",
            f"{sum(download.sent_length for download in of_type):,}",
            f"{sum(download.seconds for download in of_type):.3f}",
        )
    return table
