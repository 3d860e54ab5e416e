#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL it starts the embedded services that a command needs."""

import os
import signal
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    # What a script starts in the background inherits an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    from portal.laptop import command_line

    command_line.run(sys.argv)


if __name__ == "__main__":
    main()
