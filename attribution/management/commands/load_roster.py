import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from attribution.changes import recorded
from attribution.formats import FORMATS
from attribution.formats.base import without_folders
from attribution.loading import BadFileName, UnknownEntity, load_roster, needs_approval, preview_roster
from attribution.models import RosterFile
from attribution.problems import Problem
from credentials.actor import Actor
from credentials.models import Organization


class Command(BaseCommand):
    help = (
        "Load rosters, with their original names from CMS. Each one is published whole or refused whole. "
        "If one is refused, or changes so much that it needs a reason, the command fails."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        kinds = ", or ".join(each.name for each in FORMATS)
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=f"a roster: {kinds}")
        parser.add_argument(
            "--organization",
            metavar="ENTITY_ID",
            help="whose rosters these are; needed for files that don't say which organization they are for",
        )
        parser.add_argument(
            "--accept-test-file",
            action="store_true",
            dest="accepts_test_file",
            help="accept test files (T.…) for organizations that aren't sandboxes",
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--preview", action="store_true", help="only check the files: a team member publishes them")
        how.add_argument(
            "--accept-swing",
            metavar="REASON",
            default="",
            help="publish although very many beneficiaries joined or left, and record why that is right",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print the result as JSON")

    def handle(
        self,
        *args: Any,  # noqa: ARG002  # Django's call
        files: list[Path],
        organization: str | None,
        accepts_test_file: bool,
        preview: bool,
        accept_swing: str,
        as_json: bool,
        **options: Any,  # noqa: ARG002  # Django's call
    ) -> None:
        whose = _organization(organization) if organization else None
        outcomes = [
            _outcome(
                path,
                whose,
                accepts_test_file=accepts_test_file,
                preview=preview,
                swing_reason=accept_swing.strip(),
            )
            for path in files
        ]
        if as_json:
            self.stdout.write(json.dumps(outcomes, indent=2))
        else:
            for outcome in outcomes:
                self._write(outcome)
        refused = sum(outcome["status"] == RosterFile.Status.REFUSED for outcome in outcomes)
        waiting = 0 if preview else sum(outcome["status"] == RosterFile.Status.PREVIEWED for outcome in outcomes)
        if refused or waiting:
            said = [f"{refused} of {len(outcomes)} refused."] if refused else []
            said += [f"{waiting} of {len(outcomes)} not published."] if waiting else []
            raise CommandError(" ".join(said))

    def _write(self, outcome: dict[str, Any]) -> None:
        if outcome["status"] != RosterFile.Status.REFUSED:
            self.stdout.write(
                f"{outcome['file']}: {outcome['status']} for {outcome['organization']}, "
                f"{outcome['kind']} {outcome['performance_year']}: "
                f"{outcome['beneficiaries']:,} beneficiaries, {outcome['joined']:,} joined, {outcome['left']:,} left."
            )
        if outcome["needs_approval"]:
            self.stdout.write(
                "So many beneficiaries joined or left that this may be the wrong file. If it is right, load it again "
                "with --accept-swing REASON, or let two team members publish it in the portal."
            )
        for warning in outcome["warnings"]:
            self.stdout.write(f"Warning: {Problem(**warning)}")
        for problem in outcome["problems"]:
            self.stderr.write(str(Problem(**problem)))


def _organization(entity_id: str) -> Organization:
    try:
        return Organization.objects.get(entity_id=entity_id)
    except Organization.DoesNotExist:
        raise CommandError(f"There is no organization with the entity ID {entity_id}.") from None


def _outcome(
    path: Path, organization: Organization | None, *, accepts_test_file: bool, preview: bool, swing_reason: str
) -> dict[str, Any]:
    """Return the result for a file, as JSON."""
    try:
        with path.open("rb") as file:
            by = Actor.of_command("load_roster")
            if preview:
                roster = preview_roster(
                    file, file_name=path.name, by=by, organization=organization, accepts_test_file=accepts_test_file
                )
            else:
                roster = load_roster(
                    file,
                    file_name=path.name,
                    by=by,
                    organization=organization,
                    accepts_test_file=accepts_test_file,
                    swing_reason=swing_reason,
                )
    except OSError as error:
        return _nothing(path, error.strerror or str(error))
    except (BadFileName, UnknownEntity) as error:
        return _nothing(path, str(error))
    return {
        "file": without_folders(path.name),
        "status": roster.status,
        "organization": roster.organization.entity_id,
        "kind": roster.kind,
        "performance_year": roster.performance_year,
        "beneficiaries": roster.beneficiary_count,
        "joined": roster.joined_count,
        "left": roster.left_count,
        "problems": roster.problems,
        "warnings": roster.warnings,
        "needs_approval": roster.status == RosterFile.Status.PREVIEWED and needs_approval(roster, recorded(roster)),
    }


def _nothing(path: Path, reason: str) -> dict[str, Any]:
    """Return the result for a file without a row: it can't be read, or its organization is unknown."""
    problem = {"file": path.name, "line": None, "column": None, "reason": reason}
    return {
        "file": path.name,
        "status": RosterFile.Status.REFUSED,
        "problems": [problem],
        "warnings": [],
        "needs_approval": False,
    }
