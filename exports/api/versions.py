"""The differences between the versions of the API. One URL list and one set of views serve them all."""

from dataclasses import dataclass

from credentials.programs import model_of

# Only for organizations of some models.
PARTIALLY_ADJUDICATED = frozenset({"Claim", "ClaimResponse"})


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """A version of the API, as data."""

    number: int
    fhir_version: str
    resource_types: tuple[str, ...]  # in the order of an export without `_type`

    @property
    def path(self) -> str:
        return f"api/v{self.number}/"

    def offered_to(self, entity_id: str) -> tuple[str, ...]:
        """Return the resource types that an organization can request, and gets if it requests none."""
        model = model_of(entity_id)
        has_all = model is not None and model.has_partially_adjudicated
        return tuple(name for name in self.resource_types if has_all or name not in PARTIALLY_ADJUDICATED)


V2 = ApiVersion(
    number=2,
    fhir_version="4.0.1",
    resource_types=("Patient", "Coverage", "ExplanationOfBenefit", "Claim", "ClaimResponse"),
)

VERSIONS: tuple[ApiVersion, ...] = (V2,)
