"""One list of problems for every kind of file: the first ones are kept, all are counted."""

from credentials.problem_list import ProblemList


def test_the_first_are_kept_in_their_order_and_all_are_counted():
    problems: ProblemList[str] = ProblemList(at_most=3)

    for reason in "abcde":
        problems.add(reason)

    assert (problems.kept, problems.total) == (["a", "b", "c"], 5)
    assert problems.more == "And 2 more problems."


def test_none_is_no_problem():
    assert not ProblemList()
    assert ProblemList().more == ""


def test_those_that_others_counted_come_after_the_ones_before():
    problems: ProblemList[str] = ProblemList(at_most=3)
    problems.add("d")

    problems.extend(["a", "c", "b"], total=1001)

    assert (problems.kept, problems.total) == (["d", "a", "c"], 1002)
    assert problems.more == "And 999 more problems."


def test_with_an_order_the_first_of_all_are_kept():
    problems: ProblemList[int] = ProblemList(at_most=3)
    for number in (5, 9):
        problems.add(number)

    problems.extend([7, 1], total=2, order=lambda number: number)

    assert problems.kept == [1, 5, 7]
    assert problems.more == "And 1 more problem."


def test_what_is_only_counted_is_a_problem_too():
    problems: ProblemList[str] = ProblemList()

    problems.extend([], total=2)

    assert problems
    assert problems.more == "And 2 more problems."
