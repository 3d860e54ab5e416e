"""`manage.py take_back_load N`: the old name of `revert_load`, for scripts that use it."""

from exports.management.commands import revert_load


class Command(revert_load.Command):
    help = "The old name of revert_load."
