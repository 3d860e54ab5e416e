from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """What stands beside a radio button or a checkbox; see templates/components/field.html."""

    text: str
    description: str = ""

    def __str__(self) -> str:
        return self.text
