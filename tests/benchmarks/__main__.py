"""`python -m tests.benchmarks [GROUP …]`: one table; exit code 1 when a bound is missed."""

import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def main(names: list[str]) -> int:
    os.environ.setdefault("CLAIMSGATE_DATA_DIR", str(REPOSITORY / "var" / "bench"))
    os.environ.setdefault("CLAIMSGATE_EMBEDDED", "on")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

    import django
    from django.conf import settings
    from django.core.management import call_command
    from rich.console import Console
    from rich.table import Table

    settings.LOGGING["root"]["level"] = "WARNING"
    with settings.SERVICES.running():
        django.setup()
        call_command("migrate", verbosity=0)
        from tests.benchmarks import downloads, exports, filters, jobs, loads, scale, tokens, turns
        from tests.benchmarks.measuring import keep

        groups = {
            module.__name__.rpartition(".")[2]: module.figures
            for module in (exports, filters, jobs, turns, loads, downloads, tokens, scale)
        }
        if unknown := set(names) - set(groups):
            sys.stderr.write(f"There is no group {', '.join(unknown)}; there are: {', '.join(groups)}.\n")
            return 2
        folder = Path(settings.DATA_DIR)
        console = Console()
        table = Table("Figure", "value", "bound", "")
        figures = []
        try:
            for name in names or groups:
                for figure in groups[name](folder / "files"):
                    figures.append(figure)
                    verdict = "ok" if figure.ok else "MISSED"
                    table.add_row(figure.name, f"{figure.value:.3g}", figure.bound_text, verdict)
                    sys.stderr.write(f"{figure.value:8.3g}  {figure.name}\n")
        finally:
            # What is measured is measured, whatever goes wrong after it.
            console.print(table)
            keep(figures, folder)
        return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
