"""The versions of the API, each as one record. One URL list and one set of views serve them all. Pure.

A version renders the facts of `exports/records.py` by itself (`exports/fhir/v2/`). None is derived from the output of
another one. To add one, see docs/architecture.md.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from credentials.programs import Program
from credentials.registry import Registry
from exports.fhir import v2
from exports.fhir.common.capability_statement import capability_statement
from exports.fhir.common.resource import Resource
from exports.fhir.v2 import operation_outcome
from exports.records import BeneficiaryRecord

# The parameters of a kick-off that choose what is exported. A version may lack some of them.
FILTERS = frozenset({"_since", "_type"})


class Render(Protocol):
    """Returns the resources of one beneficiary. `last_updated` is their `meta.lastUpdated`, with a time zone."""

    def __call__(self, record: BeneficiaryRecord, /, *, last_updated: dt.datetime) -> Iterable[Resource]: ...


class WriteError(Protocol):
    """Returns an OperationOutcome with one error. `code` is of FHIR's issue-type, `diagnostics` is for people."""

    def __call__(self, code: str, diagnostics: str, /) -> dict[str, Any]: ...


class StateCapabilities(Protocol):
    """Returns the CapabilityStatement. The URLs are absolute; `now` is in UTC."""

    def __call__(
        self,
        *,
        base_url: str,
        token_url: str,
        fhir_version: str,
        resource_types: Sequence[str],
        software_version: str,
        now: dt.datetime,
    ) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """A version of the API: what it exports, and how it writes that, its errors, and what it can do."""

    number: int
    fhir_version: str
    resource_types: tuple[str, ...]  # in the order of an export without `_type`
    render: Render
    error: WriteError
    capability_statement: StateCapabilities
    filters: frozenset[str] = FILTERS

    @property
    def path(self) -> str:
        return f"api/v{self.number}/"

    def resource_types_for(self, program: Program | None) -> tuple[str, ...]:
        """Return the types that an organization with these rules can request, and gets if it requests none."""
        if program is None or self.number not in program.api_versions:
            return ()
        return tuple(name for name in self.resource_types if name in program.resource_types)


V2 = ApiVersion(
    number=2,
    fhir_version="4.0.1",
    resource_types=("Patient", "Coverage", "ExplanationOfBenefit", "Claim", "ClaimResponse"),
    render=v2.render,
    error=operation_outcome.error,
    capability_statement=capability_statement,
)

VERSIONS: Registry[int, ApiVersion] = Registry("API versions", lambda version: version.number, V2)

# What the portal exports, what `load_claims` loads unless it is told otherwise, and how errors are written where the
# path names no version. A newer version does not change what clients of these paths get.
DEFAULT = V2


def version_of(path: str) -> ApiVersion:
    """Return the version that the path of a URL names, whether or not there is anything at it; else the default."""
    return next((version for version in VERSIONS if f"{path}/".startswith(f"/{version.path}")), DEFAULT)
