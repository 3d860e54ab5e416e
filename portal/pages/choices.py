from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """The label of a radio button or checkbox; see templates/components/field.html."""

    text: str
    description: str = ""

    def __str__(self) -> str:
        return self.text
