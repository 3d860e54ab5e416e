import pytest

from attribution import identifiers


@pytest.mark.parametrize("mbi", ["1EG4TE5MK73", "1S00A00AA00", "9SS0Z00FF00", "1A69B98CD30", "2B00A00AA00"])
def test_an_mbi_is_known_by_its_positions_whichever_letters_it_has(mbi: str) -> None:
    assert identifiers.problem(mbi) is None


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 1, "This one has 0"),
        ("1S00A00AA0", 1, "This one has 10"),
        ("1S00A00AA000", 1, "This one has 12"),
        ("1S00-A00-AA00", 1, "This one has 13"),
        ("0S00A00AA00", 1, "a digit from 1 to 9"),
        ("SS00A00AA00", 1, "a digit from 1 to 9"),
        ("1100A00AA00", 2, "a capital letter"),
        ("1s00A00AA00", 2, "a capital letter"),
        ("1S-0A00AA00", 3, "a capital letter or a digit"),
        ("1S0AA00AA00", 4, "a digit"),
        ("1S000000AA0", 5, "a capital letter"),
        ("203031401MA", 2, "a capital letter"),
        ("1S00A00AA0A", 11, "a digit"),
        ("1S00A00AA0\u0663", 11, "a digit"),
        ("1S00A00AA0\n", 11, "a digit"),
    ],
)
def test_what_is_no_mbi_is_told_at_the_first_place_that_does_not_fit(text: str, position: int, said: str) -> None:
    fault = identifiers.fault(text)

    assert fault is not None
    assert fault.position == position
    assert said in fault.reason
    assert fault.reason == identifiers.problem(text)


@pytest.mark.parametrize("text", ["1S00A00AA0A", "1s00A00AA00", "1S00A00AA000"])
def test_a_reason_never_repeats_the_text(text: str) -> None:
    assert text not in str(identifiers.problem(text))


def test_an_mbi_that_cms_would_never_assign_is_synthetic() -> None:
    assert identifiers.is_synthetic("1S00A00AA00")
    assert not identifiers.is_synthetic("1EG4TE5MK73")
