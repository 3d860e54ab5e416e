"""Eighty synthetic people and their claims: enough that there is one of everything."""

PEOPLE = range(80)


def of_class(claims, claim_class):
    return [claim for claim in claims if isinstance(claim, claim_class)]
