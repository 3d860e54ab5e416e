"""The models of attribution, one file a noun."""

from attribution.models.beneficiary import Beneficiary, Mbi
from attribution.models.roster import RosterEntry, RosterFile

__all__ = ["Beneficiary", "Mbi", "RosterEntry", "RosterFile"]
