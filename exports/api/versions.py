"""How the versions of the API differ. One URL list and one set of views serve them all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiVersion:
    """A version of the API, as data."""

    number: int
    fhir_version: str
    resource_types: tuple[str, ...]  # the order of `_type` when it is not given

    @property
    def path(self) -> str:
        return f"api/v{self.number}/"


V2 = ApiVersion(
    number=2,
    fhir_version="4.0.1",
    resource_types=("Patient", "Coverage", "ExplanationOfBenefit"),
)

VERSIONS: tuple[ApiVersion, ...] = (V2,)
