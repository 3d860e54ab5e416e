"""The life of a roster file: received, checked, previewed, published; superseded, rolled back, or discarded.

receive.py      reads and checks a file, and previews it or refuses it
publication.py  publishes a preview; a large change needs a second approval
discarding.py   discards a preview
rollback.py     brings back the previous roster
runouts.py      makes the runout roster of last year, and rolls it back
turns.py        who waits for whom
"""

from attribution.formats.base import BadFileName
from attribution.loading.discarding import CannotDiscardError, discard, discard_old_previews
from attribution.loading.publication import (
    CannotPublishError,
    NeedsApprovalError,
    OwnApprovalError,
    approve,
    ask_for_approval,
    compared,
    needs_approval,
    publish,
    publish_as_operator,
)
from attribution.loading.receive import UnknownEntity, formats_of, load_roster, preview_roster
from attribution.loading.rollback import (
    CONSEQUENCES,
    CannotRollBackError,
    can_be_rolled_back,
    roll_back,
    roster_after_rollback,
)
from attribution.loading.runouts import CannotMakeRunoutError, make_runout, undo_runout

__all__ = [
    "CONSEQUENCES",
    "BadFileName",
    "CannotDiscardError",
    "CannotMakeRunoutError",
    "CannotPublishError",
    "CannotRollBackError",
    "NeedsApprovalError",
    "OwnApprovalError",
    "UnknownEntity",
    "approve",
    "ask_for_approval",
    "can_be_rolled_back",
    "compared",
    "discard",
    "discard_old_previews",
    "formats_of",
    "load_roster",
    "make_runout",
    "needs_approval",
    "preview_roster",
    "publish",
    "publish_as_operator",
    "roll_back",
    "roster_after_rollback",
    "undo_runout",
]
