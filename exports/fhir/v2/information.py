"""`supportingInfo`: the information of a claim outside its lines. Pure."""

import datetime as dt
from typing import Any

from exports.fhir.common import codes, systems
from exports.fhir.v2.elements import Element, coding, concept, value, variable

_DISPLAYS = {
    "admissionperiod": "Admission Period",
    "admtype": "Admission Type",
    "brandgenericindicator": "Brand Generic Indicator",
    "clmrecvddate": "Claim Received Date",
    "compoundcode": "Compound Code",
    "dawcode": "DAW (Dispense As Written) Code",
    "dayssupply": "Days Supply",
    "discharge-status": "Discharge Status",
    "refillnum": "Refill Number",
    "rxorigincode": "Rx Origin Code",
    "typeofbill": "Type of Bill",
}
_INFORMATION = coding(systems.CLAIM_INFORMATION, "info", "Information")


def carin(category: str, name: str | None = None, **what: Any) -> Element:
    """Return an entry in a CARIN category; `name` is CMS's data element, if it is included, too."""
    codings = [coding(systems.CARIN_SUPPORTING_INFO, category, _DISPLAYS[category])]
    if name:
        codings.append(_element(name))
    return {"category": concept(*codings), **what}


def coded(name: str, code: str) -> list[Element]:
    """Return an entry of CMS's own, a coded data element; none if the code is unknown."""
    return [of_cms(name, code=concept(value(name, code)))] if code else []


def of_cms(name: str, **what: Any) -> Element:
    """Return an entry of CMS's own: a data element."""
    return {"category": concept(_INFORMATION, _element(name)), **what}


def recorded(day: dt.date) -> Element:
    """Return when the national claims history got the claim."""
    return carin("clmrecvddate", "nch_wkly_proc_dt", timingDate=day)


def _element(name: str) -> Element:
    return coding(systems.INFORMATION, variable(name), codes.LABELS[name])
