"""The product speaks plain American English: phrases that a delegate would not say stay out of every text."""

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.services import REPOSITORY

# What not to say, and what to say instead. Whole phrases only: single words have other meanings, too.
INSTEAD = {
    "blotted out": "redacted",
    "bought with": "issued for",
    "call it off": "cancel",
    "call off": "cancel",
    "called off": "cancelled",
    "count any more": "is no longer valid",
    "counts any more": "is no longer valid",
    "e-mail": "email",
    "end a secret": "revoke a secret",
    "end the old secret": "revoke the old secret",
    "end the secret": "revoke the secret",
    "ends a secret": "revokes a secret",
    "give a role to himself": "you can't change your own role",
    "gives a role to himself": "you can't change your own role",
    "had been bought": "was issued",
    "has bought": "was issued for",
    "look into your mail": "check your email",
    "no second step": "two-factor authentication isn't set up",
    "nobody of": "Claimsgate will never",
    "opens nothing": "is no longer valid",
    "open nothing": "are no longer valid",
    "open the door": "work",
    "opens the door": "works",
    "second step": "two-factor authentication, or verification step",
    "second steps": "verification methods",
    "shall become of": "should happen to",
    "show that it is you": "confirm it's you",
    "take along": "download",
    "take back": "revert, roll back or revoke",
    "take it along": "download",
    "taken along": "downloaded",
    "taken back": "reverted, rolled back or revoked",
    "takes back": "reverts, rolls back or revokes",
    "they go on": "they keep running",
    "took back": "reverted, rolled back or revoked",
    "was bought": "was issued",
    "were bought": "were issued",
    "what is gone": "what was deleted",
    "whose turn it is": "which export is next",
    "work any more": "no longer works",
    "works any more": "no longer works",
    "you we think": "someone, probably you",
}
_PHRASE = re.compile(
    rf"\b({'|'.join(re.escape(phrase).replace(chr(92) + ' ', ' ') for phrase in INSTEAD)})\b", re.IGNORECASE
)
_TEMPLATE_TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<[^>]*>", re.DOTALL)


def phrases_in(text: str) -> set[str]:
    """The phrases of INSTEAD in a text, across its line breaks."""
    plain = " ".join(text.replace("’", "'").split())
    return {match.lower() for match in _PHRASE.findall(plain)}


def phrases_in_template(text: str) -> set[str]:
    """Those in a template, as it is written (its attributes are read aloud) and across its tags."""
    return phrases_in(text) | phrases_in(_TEMPLATE_TAG.sub(" ", text)) | phrases_in(_TEMPLATE_TAG.sub("", text))


def literals_in(text: str) -> set[str]:
    constants = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


@functools.cache
def labels() -> frozenset[str]:
    """The labels of models and fields, as the migrations hold them: a change of one is a migration."""
    found = (literals_in(path.read_text()) for path in REPOSITORY.glob("*/migrations/*.py"))
    return frozenset().union(*found)


def phrases_in_python(text: str) -> set[str]:
    """Those in the string literals of a module: messages, help, docstrings."""
    found = set()
    for literal in literals_in(text) - labels():
        found |= phrases_in(literal)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            # A value is any word; what stands around it is one sentence.
            found |= phrases_in("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
    return found


def phrases_in_script(text: str) -> set[str]:
    """Those in a script: its texts, and its comments across their lines."""
    return phrases_in(re.sub(r"\n\s*//", "", text))


def phrases_in_document(text: str) -> set[str]:
    return phrases_in(re.sub(r"[*_`]{1,3}|^> ?", "", text, flags=re.MULTILINE))


TEXTS = {
    "the pages and mails": (phrases_in_template, ["templates/**/*.html", "templates/**/*.txt"]),
    "the scripts": (phrases_in_script, ["static/js/*.js"]),
    "the portal": (phrases_in_python, ["portal/**/*.py"]),
    "the exports": (phrases_in_python, ["exports/**/*.py"]),
    "the attribution": (phrases_in_python, ["attribution/**/*.py"]),
    "the credentials": (phrases_in_python, ["credentials/**/*.py"]),
    # Decisions are told as they were made, and so are the changes of the past.
    "the documents": (phrases_in_document, ["README.md", "docs/*.md"]),
}


def texts_of(patterns: list[str]) -> list[Path]:
    found = [path for pattern in patterns for path in sorted(REPOSITORY.glob(pattern))]
    return [path for path in found if "migrations" not in path.parts]


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_in_plain_words(name):
    phrases_of, patterns = TEXTS[name]
    paths = texts_of(patterns)

    found = [
        f"{path.relative_to(REPOSITORY)} says “{phrase}”; say: {INSTEAD[phrase]}"
        for path in paths
        for phrase in sorted(phrases_of(path.read_text()))
    ]

    assert paths
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("phrases_of", "text"),
    [
        (phrases_in_template, '<p>Without it, the Second\n  <strong class="x">step</strong> is missing.</p>'),
        (phrases_in_template, '<img alt="Your second step">'),
        (phrases_in_template, "second{% if two %} step{% else %}s{% endif %}"),
        (phrases_in_python, 'raise ValueError(\n    f"{name} has no second "\n    "step"\n)'),
        (phrases_in_python, '"""The second\n    step."""'),
        (phrases_in_script, "// Asks for the second\n  // step."),
        (phrases_in_document, "Set up a **second\nstep** first."),
    ],
)
def test_a_phrase_is_found_wherever_it_stands(phrases_of, text):
    assert any(phrase.endswith("second step") for phrase in phrases_of(text))


def test_other_words_are_no_such_phrases():
    assert not phrases_in("The second stepping stone; {% url 'second-step' %}; recall official sources.")
