"""What attacks on the door meet: forms from elsewhere, frames, careless cookies, logs that tell too much."""

import logging
import os
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver

from credentials.models import User
from portal.pages.account import urls as account_urls
from portal.redaction import redact
from tests.authenticators import code
from tests.portal.sign_in.second_step.factors import set_up_app
from tests.world import PASSWORD, sign_in

PARAMETERS = {"pk": 1, "session_id": 1, "provider_id": "none"}


def paths(patterns=account_urls.urlpatterns, before: str = "/"):
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from paths(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            for name, value in PARAMETERS.items():
                route = route.replace(f"<int:{name}>", str(value)).replace(f"<slug:{name}>", str(value))
            yield route


# What opens /invitation is the link that somebody was sent.
PUBLIC = {"/sign-out", "/invitation", *(path for path in paths() if path.startswith("/sign-in"))}
PUBLIC -= {path for path in PUBLIC if "/again" in path}


@pytest.mark.parametrize("path", sorted(paths()))
def test_a_form_from_elsewhere_is_refused(world, path):
    browser = sign_in(Browser(enforce_csrf_checks=True), world.delegate)
    before = User.objects.values_list("password", flat=True).get(pk=world.delegate.pk)

    response = browser.post(path, {"login": world.delegate.email, "password": PASSWORD, "password1": "x" * 20})

    assert response.status_code == 403
    assert User.objects.values_list("password", flat=True).get(pk=world.delegate.pk) == before
    assert "_auth_user_id" in browser.session


@pytest.mark.parametrize("path", sorted(set(paths()) - PUBLIC - {"/account/session"}))
def test_what_is_ones_own_opens_only_after_signing_in(world, path):
    browser = Browser()

    for response in (browser.get(path), browser.post(path)):
        assert response.status_code in {302, 405}
        if response.status_code == 302:
            assert response["Location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("path", sorted(paths()))
def test_no_page_can_be_framed_kept_or_made_to_run_scripts_of_others(delegate, path):
    for browser in (Browser(), delegate):
        response = browser.get(path)

        assert response["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
        assert "unsafe" not in response["Content-Security-Policy"]
        if response.status_code == 200:
            assert "no-store" in response["Cache-Control"] or "no-cache" in response["Cache-Control"], path


def test_in_production_cookies_go_by_tls_only_and_to_no_script():
    environment = {
        **{name: value for name, value in os.environ.items() if name != "CLAIMSGATE_EMBEDDED"},
        "DATABASE_URL": "postgres://claimsgate:x@database.example:5432/claimsgate",
        "CELERY_BROKER_URL": "redis://broker.example:6379/0",
        "CACHE_URL": "rediscache://broker.example:6379/1",
        "SECRET_KEY": "only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz",
        "ALLOWED_HOSTS": "gate.example",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    names = (
        *("SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SECURE"),
        *("SECURE_SSL_REDIRECT", "OPERATORS_NEED_SECOND_FACTOR", "ACCOUNT_DEFAULT_HTTP_PROTOCOL"),
    )
    program = f"from django.conf import settings; print([getattr(settings, name) for name in {names!r}])"

    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=django_settings.BASE_DIR, env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip

    assert told.strip() == "[True, True, 'Lax', True, True, True, 'https']"


def test_nothing_secret_is_logged(world, caplog, mails):
    caplog.set_level(logging.DEBUG)
    browser = sign_in(Browser(SERVER_NAME="localhost"), world.delegate, with_second_factor=False)
    secret = set_up_app(browser).replace(" ", "")
    page = browser.get("/account/second-step/codes").content.decode()
    recovery = page.partition("<li><code>")[2][:8]
    visitor = Browser(SERVER_NAME="localhost")
    visitor.post("/sign-in", {"login": world.delegate.email, "password": "a mistyped password"})
    visitor.post("/sign-in", {"login": world.delegate.email, "password": PASSWORD})
    visitor.post("/sign-in/second-step", {"code": "000000"})
    visitor.post("/sign-in/second-step", {"code": recovery})
    visitor.post("/sign-in/forgotten-password", {"email": world.delegate.email})
    link = mails[-1].body.partition("link=")[2].split()[0]
    visitor.get(f"/sign-in/new-password?link={link}")

    logged = "\n".join(redact(record.getMessage()) for record in caplog.records)

    for each in (PASSWORD, "a mistyped password", secret, recovery, link, code(secret)):
        assert each not in logged


@pytest.mark.parametrize(
    "line",
    [
        "POST body login=a&password=correct+horse+battery&next=/",
        '{"password1": "correct horse battery"}',
        "GET /sign-in/new-password?link=3-cw1abc-0123456789abcdef HTTP/1.1",
        "GET /sign-in/with/x/callback?code=SplxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj",
        "code=123456",
        "otpauth://totp/a?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Claimsgate",
    ],
)
def test_what_slips_into_a_log_is_blotted_out(line):
    blotted = redact(line)

    assert "[redacted]" in blotted
    for each in ("correct", "cw1abc", "Splxl", "123456", "JBSWY"):
        assert each not in blotted
