"""SMART's scopes: what is granted of what is asked for, and what a token with it opens."""

import pytest

from credentials.access import scopes

OURS = ("Patient", "Coverage", "ExplanationOfBenefit")


@pytest.mark.parametrize(
    "scope",
    [
        "system/*.read",
        "system/*.rs",
        "system/Patient.read",
        "system/Patient.rs",
        "system/ExplanationOfBenefit.rs",
        "system/Observation.rs",  # a type that there is, though not here
        "system/Patient.r",
        "system/Patient.s",
    ],
)
def test_what_only_reads_is_granted_verbatim(scope):
    assert scopes.granted([scope]) == [scope]


def test_both_syntaxes_may_be_mixed_and_each_scope_is_granted_once():
    asked = ["system/Patient.read", "system/Coverage.rs", "system/Patient.read"]

    assert scopes.granted(asked) == ["system/Patient.read", "system/Coverage.rs"]


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("system/*.*", "system/*.read"),
        ("system/Patient.*", "system/Patient.read"),
        ("system/*.cruds", "system/*.rs"),
        ("system/Patient.crus", "system/Patient.rs"),
        ("system/Patient.cu", None),
    ],
)
def test_what_asks_for_more_is_narrowed_to_reading(asked, granted):
    assert scopes.granted([asked]) == ([granted] if granted else [])


@pytest.mark.parametrize(
    "scope",
    [
        "system/*.write",
        "system/*.c",
        "system/*.cud",
        "system/*.d",
        "system/*.sr",  # not in the order create, read, update, delete, search
        "system/*.rr",
        "system/*.",
        "system/*",
        "system/.rs",
        "system/UnknownResource.read",
        "system/patient.read",
        "system/Patient.rs?_id=1",  # a narrowing that could not be kept
        "system/*.rs\n",
        "patient/*.read",
        "user/*.rs",
        "launch",
        "fhirUser",
        "offline_access",
        "openid",
        "",
        "system/Patient.read system/Coverage.read",
    ],
)
def test_what_is_unknown_or_cannot_be_given_is_left_out(scope):
    assert scopes.granted([scope]) == []
    assert scopes.granted([scope, "system/*.rs"]) == ["system/*.rs"]


@pytest.mark.parametrize("scope", ["system/*.read", "system/*.rs", "system/*.r system/*.s", "launch system/*.rs"])
def test_a_scope_for_all_types_opens_all(scope):
    assert scopes.missing(scope, OURS) == []


@pytest.mark.parametrize("scope", ["system/Patient.read", "system/Patient.rs", "system/Patient.r system/Patient.s"])
def test_a_scope_for_one_type_opens_that_one(scope):
    assert scopes.missing(scope, OURS) == ["Coverage", "ExplanationOfBenefit"]


@pytest.mark.parametrize(
    "scope", ["system/*.r", "system/*.s", "system/Patient.r", "", "system/*.write", "patient/*.rs"]
)
def test_an_export_takes_both_reading_and_searching(scope):
    assert scopes.missing(scope, OURS) == list(OURS)


def test_the_rights_to_all_and_to_one_type_add_up():
    assert scopes.missing("system/*.r system/Coverage.s", OURS) == ["Patient", "ExplanationOfBenefit"]


def test_what_is_needed_and_what_is_supported_is_granted_when_it_is_asked_for():
    for said in (scopes.needed(OURS).split(), scopes.supported(OURS)):
        assert scopes.granted(said) == said

    assert scopes.missing(scopes.needed(OURS), OURS) == []
    assert {"system/*.read", "system/*.rs", "system/Patient.read"} <= set(scopes.supported(OURS))
