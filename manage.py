#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL it starts the embedded services that a command needs."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

    from portal import command_line

    command_line.run(sys.argv)


if __name__ == "__main__":
    main()
