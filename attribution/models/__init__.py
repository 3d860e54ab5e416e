"""The models of attribution, one file for each noun."""

from attribution.models.beneficiary import Beneficiary, Mbi
from attribution.models.preference import Preference, PreferenceChange
from attribution.models.roster import RosterEntry, RosterFile

__all__ = ["Beneficiary", "Mbi", "Preference", "PreferenceChange", "RosterEntry", "RosterFile"]
