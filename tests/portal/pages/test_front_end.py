"""What the content security policy asks of every template, and what every page has."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders

# Mail has no style sheet to name, and no page's content security policy.
TEMPLATES = sorted(path for path in (settings.BASE_DIR / "templates").rglob("*.html") if path.parent.name != "emails")
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|hx-vals=.js:", re.IGNORECASE)
STATIC = re.compile(r"""{% static ['"]([^'"]+)['"] %}""")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(settings.BASE_DIR).as_posix())
def test_a_template_has_no_inline_script_or_style_and_names_static_files_that_exist(template: Path):
    text = template.read_text()

    assert not INLINE.search(text)
    for name in STATIC.findall(text):
        assert finders.find(name), f"{name} is in no static folder"


@pytest.mark.parametrize("script", sorted((settings.BASE_DIR / "static/js").glob("*.js")), ids=lambda path: path.name)
def test_a_script_evaluates_no_text_and_writes_no_markup(script: Path):
    assert not re.search(r"\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write", script.read_text())


def test_a_page_may_load_from_this_site_only(delegate):
    response = delegate.get("/organizations/A9994")

    policy = response["Content-Security-Policy"]
    for directive in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert directive in policy
    assert "unsafe" not in policy
    assert response["X-Frame-Options"] == "DENY"
    assert not re.search(r'(?:src|href)="(?:https?:)?//', response.content.decode())


def test_a_page_begins_with_a_way_to_skip_to_its_content(delegate, read):
    response = delegate.get("/organizations/A9994")

    assert '<html lang="en">' in response.content.decode()
    assert 'class="usa-skipnav" href="#content"' in response.content.decode()
    assert read(response).by_id["content"]["tag"] == "main"


def test_htmx_adds_no_styles_and_puts_no_error_page_into_a_page(delegate):
    page = delegate.get("/organizations/A9994").content.decode()

    assert '"includeIndicatorCSS": false' in page
    assert '"noSwap": [204, 304, "4xx", "5xx"]' in page
