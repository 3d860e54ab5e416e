"""How the portal's forms look: the classes of the U.S. Web Design System, and one template for every field."""

from typing import Any

from django.forms import BoundField, CheckboxSelectMultiple, FileInput, RadioSelect, Select, Textarea, Widget
from django.forms.renderers import TemplatesSetting


class UswdsBoundField(BoundField):
    """A field whose widget carries the design system's classes."""

    def build_widget_attrs(self, attrs: dict[str, Any], widget: Widget | None = None) -> dict[str, Any]:
        attrs = super().build_widget_attrs(attrs, widget)
        widget = widget or self.field.widget
        attrs["class"] = " ".join(filter(None, [self._class_of(widget), widget.attrs.get("class")]))
        if self.use_fieldset:
            attrs.pop("aria-invalid", None)  # no state of a radio button: the error describes the whole group
        return attrs

    def _class_of(self, widget: Widget) -> str:
        # The order counts: Django's checkboxes are a kind of radio buttons.
        if isinstance(widget, CheckboxSelectMultiple):
            return "usa-checkbox__input usa-checkbox__input--tile"
        if isinstance(widget, RadioSelect):
            return "usa-radio__input usa-radio__input--tile"
        if isinstance(widget, FileInput):
            # Not the design system's own: its script takes the label's place, and reads the whole file to show it.
            return "file-input"
        of_other_kinds = {Select: "usa-select", Textarea: "usa-textarea"}
        kind = next((name for each, name in of_other_kinds.items() if isinstance(widget, each)), "usa-input")
        return f"{kind} usa-input--error" if self.errors else kind


class UswdsRenderer(TemplatesSetting):
    """Renders forms from templates/components; the administration keeps Django's own."""

    form_template_name = "components/form.html"
    field_template_name = "components/field.html"
    bound_field_class = UswdsBoundField
