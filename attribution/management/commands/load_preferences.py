import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from attribution.consent import ledger
from attribution.formats.base import BadFileName
from attribution.models import PreferenceChange
from attribution.problems import Problem
from credentials.actor import Actor


class Command(BaseCommand):
    help = (
        "Load files of beneficiary preferences (opt-outs), with their original names from CMS. Each one is loaded "
        "whole or refused whole. If one is refused, the command fails."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print the result as JSON")

    def handle(self, *args: Any, files: list[Path], as_json: bool, **options: Any) -> None:  # noqa: ARG002  # Django's call
        outcomes = [_outcome(path) for path in files]
        if as_json:
            self.stdout.write(json.dumps(outcomes, indent=2))
        else:
            for outcome in outcomes:
                self._write(outcome)
        refused = sum(outcome["status"] != PreferenceChange.Status.ACCEPTED for outcome in outcomes)
        if refused:
            raise CommandError(f"{refused} of {len(outcomes)} refused.")

    def _write(self, outcome: dict[str, Any]) -> None:
        if outcome["status"] == PreferenceChange.Status.ACCEPTED:
            self.stdout.write(
                f"{outcome['file']}: loaded: {outcome['opt_outs']:,} opt-outs, {outcome['opt_ins']:,} opt-ins, "
                f"{outcome['without_preference']:,} without a preference."
            )
        for problem in outcome["problems"]:
            self.stderr.write(str(Problem(**problem)))


def _outcome(path: Path) -> dict[str, Any]:
    """Return the result for a file, as JSON."""
    try:
        with path.open("rb") as file:
            change = ledger.load_file(file, file_name=path.name, by=Actor.of_command("load_preferences"))
    except OSError as error:
        return _nothing(path, error.strerror or str(error))
    except BadFileName as error:
        return _nothing(path, str(error))
    return {
        "file": change.file_name,
        "status": change.status,
        "opt_outs": change.opt_out_count,
        "opt_ins": change.opt_in_count,
        "without_preference": change.blank_count,
        "problems": change.problems,
    }


def _nothing(path: Path, reason: str) -> dict[str, Any]:
    """Return the result for a file without a row: it can't be read, or its name is wrong."""
    problem = {"file": path.name, "line": None, "column": None, "reason": reason}
    return {"file": path.name, "status": PreferenceChange.Status.REFUSED, "problems": [problem]}
