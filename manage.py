#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL it starts the embedded services that a command needs."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

    from django.core.management import execute_from_command_line

    from portal import embedded

    embedded.start_for_command(sys.argv)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
