"""Reads from a line of NDJSON what loading needs to know about its resource. Pure.

Only the needed elements are decoded. The line itself is never changed.
"""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from attribution import identifiers
from exports.fhir.common import systems
from exports.fhir.common.lines import service_date
from exports.intake import ambiguity
from exports.intake.disclosure import Disclosure, JudgedClaim, judge

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(
    r"(?:https?://\S+/)?(?P<type>[A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_UNENDED = "9999-12-31"


class BadResourceError(ValueError):
    """A line is not a resource that can be loaded: why, and what to do. The message has no value of the line."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose resource it is.

    `patient` is the id of a Patient. If the Patient itself is there, so are its MBIs: the current one (or several, if
    it is not clear which one is current) and the others. A Patient contained in another resource has a `patient` that
    no reference can name.
    """

    patient: str
    current_mbis: tuple[str, ...] = ()
    older_mbis: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IncomingResource:
    """The facts of a line. A response is checked by the Claim of the load with the id `judged_by`."""

    resource_type: str
    id: str
    owner: Owner
    service_date: dt.date | None = None
    disclosure: Disclosure = Disclosure.FREE
    judged_by: str | None = None


# --- Whose it is ----------------------------------------------------------------------------------------------------


class _Coding(msgspec.Struct, gc=False):
    code: str = ""
    extension: list["_Extension"] = []


class _Extension(msgspec.Struct, gc=False, rename="camel"):
    url: str = ""
    value_coding: _Coding | None = None


class _Type(msgspec.Struct, gc=False):
    coding: list[_Coding] = []


class _Period(msgspec.Struct, gc=False):
    start: str = ""
    end: str = _UNENDED


class _Identifier(msgspec.Struct, gc=False):
    """STU3 marks the current identifier on the identifier, R4 on the coding of its type, v3 only by its period."""

    system: str = ""
    value: str = ""
    type: _Type = msgspec.field(default_factory=_Type)
    extension: list[_Extension] = []
    period: _Period = msgspec.field(default_factory=_Period)

    @property
    def standing(self) -> tuple[bool, bool, str, str]:
        """Greater for an identifier that is more likely the current one of its system."""
        extensions = [*self.extension, *(extension for coding in self.type.coding for extension in coding.extension)]
        said = {
            extension.value_coding.code
            for extension in extensions
            if extension.value_coding and extension.url == systems.IDENTIFIER_CURRENCY
        }
        return "current" in said, "historic" not in said, self.period.end, self.period.start


def _owner(identifier: Sequence[_Identifier], *, patient: str = "") -> Owner:
    named = [each for each in identifier if each.system == systems.MBI and each.value]
    if not named:
        raise BadResourceError(f"Its Patient has no MBI. Add it to `identifier`, with the system {systems.MBI}.")
    best = max(each.standing for each in named)
    current = tuple(sorted({each.value for each in named if each.standing == best}))
    for mbi in current:
        if reason := identifiers.problem(mbi):
            raise BadResourceError(f"The MBI of its Patient is not valid. {reason} Correct it at the source.")
    older = {each.value for each in named if identifiers.problem(each.value) is None}
    return Owner(patient or f"#{'+'.join(current)}", current, tuple(sorted(older.difference(current))))


class _Contained(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str = ""
    id: str = ""
    identifier: msgspec.Raw = msgspec.Raw(b"[]")


class _Reference(msgspec.Struct, gc=False):
    reference: str = ""

    def id_of(self, resource_type: str) -> str | None:
        found = _REFERENCE.fullmatch(self.reference)
        return found["id"] if found and found["type"] == resource_type else None


_decode_contained = msgspec.json.Decoder(_Contained).decode
_decode_identifiers = msgspec.json.Decoder(list[_Identifier]).decode


def _referred(reference: _Reference, element: str, contained: Sequence[msgspec.Raw]) -> Owner:
    if patient := reference.id_of("Patient"):
        return Owner(patient)
    if reference.reference.startswith("#"):
        for each in map(_decode_contained, contained):
            if each.resource_type == "Patient" and f"#{each.id}" == reference.reference:
                return _owner(_decode_identifiers(each.identifier))
    raise BadResourceError(
        f"It has no Patient: `{element}.reference` must be Patient/ and the id of a Patient, "
        "or # and the id of a Patient that the resource contains."
    )


# --- The resource types ---------------------------------------------------------------------------------------------


class _Patient(msgspec.Struct, tag_field="resourceType", tag="Patient", gc=False):
    id: str = ""
    identifier: list[_Identifier] = []

    def resource(self, line: bytes) -> IncomingResource:  # noqa: ARG002  # as the others
        return IncomingResource("Patient", self.id, _owner(self.identifier, patient=self.id))


class _Coverage(msgspec.Struct, tag_field="resourceType", tag="Coverage", gc=False):
    id: str = ""
    beneficiary: _Reference = msgspec.field(default_factory=_Reference)
    contained: list[msgspec.Raw] = []

    def resource(self, line: bytes) -> IncomingResource:  # noqa: ARG002  # as the others
        return IncomingResource("Coverage", self.id, _referred(self.beneficiary, "beneficiary", self.contained))


class _AnyClaim(JudgedClaim, gc=False, rename="camel"):
    id: str = ""
    patient: _Reference = msgspec.field(default_factory=_Reference)
    contained: list[msgspec.Raw] = []
    billable_period: msgspec.Raw = msgspec.Raw()

    def _resource(self, resource_type: str, line: bytes) -> IncomingResource:
        owner = _referred(self.patient, "patient", self.contained)
        # A claim is long, and its date is nearly always in a few bytes of it.
        period = bytes(self.billable_period)
        through_date = _service_date(b'{"billablePeriod":%b}' % period if period else line)
        return IncomingResource(resource_type, self.id, owner, through_date, judge(self, through_date))


class _ExplanationOfBenefit(_AnyClaim, tag_field="resourceType", tag="ExplanationOfBenefit", gc=False, rename="camel"):
    def resource(self, line: bytes) -> IncomingResource:
        return self._resource("ExplanationOfBenefit", line)


class _Claim(_AnyClaim, tag_field="resourceType", tag="Claim", gc=False, rename="camel"):
    def resource(self, line: bytes) -> IncomingResource:
        return self._resource("Claim", line)


class _ClaimResponse(msgspec.Struct, tag_field="resourceType", tag="ClaimResponse", gc=False):
    id: str = ""
    patient: _Reference = msgspec.field(default_factory=_Reference)
    contained: list[msgspec.Raw] = []
    request: _Reference = msgspec.field(default_factory=_Reference)

    def resource(self, line: bytes) -> IncomingResource:
        owner = _referred(self.patient, "patient", self.contained)
        claim = self.request.id_of("Claim") or ""
        return IncomingResource(
            "ClaimResponse", self.id, owner, _service_date(line), Disclosure.UNJUDGED, judged_by=claim
        )


def _service_date(line: bytes) -> dt.date | None:
    try:
        return service_date(line)
    except ValueError:
        raise BadResourceError("Its last service date is not a date. Use the format 2026-03-31 or 2026-03.") from None


_Shape = _Patient | _Coverage | _ExplanationOfBenefit | _Claim | _ClaimResponse
_SHAPED = frozenset({"Patient", "Coverage", "ExplanationOfBenefit", "Claim", "ClaimResponse"})

# --- Lines ----------------------------------------------------------------------------------------------------------


class _Header(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str = ""


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_shape = msgspec.json.Decoder(_Shape).decode
# These are FHIR's own names and can be shown. Any other name may be a value.
_ELEMENTS = frozenset(
    field.encode_name
    for shape in (_Patient, _Coverage, _ExplanationOfBenefit, _Claim, _ClaimResponse)
    for field in msgspec.structs.fields(shape)
)


class LineReader:
    """Reads the lines of one API version, which knows `resource_types`."""

    def __init__(self, resource_types: Iterable[str]) -> None:
        self._resource_types = tuple(name for name in resource_types if name in _SHAPED)

    def read(self, line: bytes) -> IncomingResource:
        """Return the facts of a line. Raises BadResourceError."""
        _check_text(line)
        try:
            if ambiguity.is_ambiguous(line):
                raise _ambiguous(line)
            resource: IncomingResource = _decode_shape(line).resource(line)
        except msgspec.ValidationError as error:
            raise self._explained(line, error) from None
        except msgspec.DecodeError:
            raise BadResourceError("This is not one complete JSON object. Put each resource on its own line.") from None
        except RecursionError:
            raise BadResourceError(
                "Its elements are nested too deeply for a FHIR resource. Correct it at the source."
            ) from None
        if resource.resource_type not in self._resource_types:
            raise self._unknown_type()
        if not _ID.fullmatch(resource.id):
            raise BadResourceError(
                f"The `id` of this {resource.resource_type} is missing or not a FHIR id "
                "(1 to 64 letters, digits, hyphens and dots). Correct it at the source."
            )
        return resource

    def _explained(self, line: bytes, error: msgspec.ValidationError) -> BadResourceError:
        """Return why JSON has not the expected shape. msgspec names the place and the types, but no values."""
        try:
            resource_type = _decode_header(line).resource_type
        except msgspec.ValidationError:
            resource_type = ""
        if not resource_type:
            return BadResourceError(
                "This is JSON, but not a FHIR resource. A resource has the name of its type in `resourceType`."
            )
        if resource_type not in self._resource_types:
            return self._unknown_type()
        return BadResourceError(f"It is not a valid FHIR {resource_type}: {error}. Correct it at the source.")

    def _unknown_type(self) -> BadResourceError:
        return BadResourceError(
            f"This version does not support its `resourceType`. Supported: {', '.join(self._resource_types)}. "
            "Remove resources of other types."
        )


def _ambiguous(line: bytes) -> BadResourceError:
    told = ", ".join(f"`{name}`" for name in sorted(_ELEMENTS.intersection(ambiguity.repeated_names(line))))
    return BadResourceError(
        f"Two elements of the same object have the same name{told and f': {told}'}. Programs disagree on which one "
        "counts (and on whether upper and lower case differ). Ask the source to send each element once."
    )


def _check_text(line: bytes) -> None:
    if b"\r" in line:
        raise BadResourceError(
            "The line has a carriage return (CR) inside. End lines with LF or CR LF, one resource on each."
        )
    if line.isascii():
        return
    try:
        line.decode()
    except UnicodeDecodeError:
        raise BadResourceError("This is not UTF-8. Save the file as NDJSON in UTF-8.") from None
