"""What sign-in has from allauth: each page and mail that allauth asks for is there, or is of something that is off.

allauth finds pages by the names of their URLs, and mails by the names of their templates; each release may bring more.
65.22 asked for a page that was not there, and every page on which people confirm who they are answered 500. The next
such name fails here.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import allauth
import pytest
from allauth.account import app_settings as account
from allauth.account import views as account_views
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import ResetPasswordForm
from allauth.mfa import app_settings as mfa
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount import views as provider_views
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.usersessions import views as session_views
from django.conf import settings
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from portal.sign_in.adapters import AccountAdapter, ProviderAdapter

ALLAUTH = Path(allauth.__file__).parent
# Apps that are not installed; and of the providers there is one, with what it is made of.
NOT_OURS = {"headless", "idp", "tests", "providers"}
PROVIDER = ("base", "oauth2", "openid_connect")
MAIL = re.compile(r"(account|mfa|socialaccount|usersessions)/email/\w+")


@dataclass(frozen=True)
class Off:
    """Pages and mails of allauth that we do not have, and what makes sure that nothing asks for them."""

    names: set[str]
    holds: Callable[[], bool]


def views_are_off(*views: type) -> bool:
    return not [view for view in mounted_views() if issubclass(view, views)]


OFF = {
    "people are invited, and do not sign up": Off(
        {
            "account_signup",
            "account_signup_by_passkey",
            "mfa_signup_webauthn",
            "account/email/account_already_exists",
            "account/email/email_confirmation_signup",
        },
        lambda: not account.SIGNUP_ENABLED and not mfa.PASSKEY_SIGNUP_ENABLED,
    ),
    "nothing is sent to addresses that nobody has here": Off(
        {"account/email/unknown_account"}, lambda: not account.EMAIL_UNKNOWN_ACCOUNTS
    ),
    "nobody signs in by a code in a mail": Off(
        {"account_request_login_code", "account_confirm_login_code", "account/email/login_code"},
        lambda: not account.LOGIN_BY_CODE_ENABLED and not account.LOGIN_BY_CODE_REQUIRED,
    ),
    "nobody confirms who they are by a code in a mail": Off(
        {"account_request_reauthentication_code", "account_confirm_reauthentication_code"},
        lambda: "code" not in account.REAUTHENTICATION_METHODS,
    ),
    "a forgotten password is set by our own link": Off(
        {
            "account_reset_password_from_key",
            "account_reset_password_from_key_done",
            "account_confirm_password_reset_code",
            "account_complete_password_reset",
            "account_password_reset_completed",
            "account/email/password_reset_code",
        },
        lambda: (
            not account.PASSWORD_RESET_BY_CODE_ENABLED
            and not issubclass(import_string(settings.ACCOUNT_FORMS["reset_password"]), ResetPasswordForm)
            and views_are_off(
                account_views.PasswordResetFromKeyView,
                account_views.ConfirmPasswordResetCodeView,
                account_views.CompletePasswordResetView,
            )
        ),
    ),
    "operators change mail addresses, and mails have links instead of codes": Off(
        {"account_email", "account/email/email_changed", "account/email/email_deleted"},
        lambda: (
            not account.EMAIL_VERIFICATION_BY_CODE_ENABLED
            and views_are_off(account_views.EmailView, account_views.ConfirmEmailVerificationCodeView)
        ),
    ),
    "we keep no telephone numbers": Off(
        {"account_verify_phone", "account_change_phone"},
        lambda: "phone" not in account.SIGNUP_FIELDS and "phone" not in account.LOGIN_METHODS,
    ),
    "whoever may not sign in is told so on the sign-in page": Off(
        {"account_inactive"},
        lambda: AccountAdapter.respond_user_inactive is not DefaultAccountAdapter.respond_user_inactive,
    ),
    "no browser is spared the verification step": Off({"mfa_trust"}, lambda: not mfa.TRUST_ENABLED),
    "passkeys are listed on the account page": Off(
        {"mfa_list_webauthn"},
        lambda: (
            views_are_off(webauthn.ListWebAuthnView)
            and all(
                view.success_url == "/account"
                for view in mounted_views()
                if issubclass(view, webauthn.RemoveWebAuthnView | webauthn.EditWebAuthnView)
            )
        ),
    ),
    "what a provider tells of strangers, and what fails there, leads back to sign-in": Off(
        {
            "socialaccount_signup",
            "socialaccount_login_cancelled",
            "socialaccount_connections",
            "socialaccount/email/account_disconnected",
        },
        lambda: (
            ProviderAdapter.pre_social_login is not DefaultSocialAccountAdapter.pre_social_login
            and ProviderAdapter.on_authentication_error is not DefaultSocialAccountAdapter.on_authentication_error
            and views_are_off(provider_views.ConnectionsView, provider_views.SignupView)
        ),
    ),
    "sessions are listed by our own page": Off(
        {"usersessions_list"}, lambda: views_are_off(session_views.ListUserSessionsView)
    ),
}


def test_every_page_and_mail_that_allauth_asks_for_is_there_or_off():
    sources = {path: ast.parse(path.read_text()) for path in modules()}

    pages = names_of_pages(sources)
    mails = names_of_mails(sources)
    missing = (pages - our_pages()) | {mail for mail in mails if not has_template(f"{mail}_message.txt")}

    assert {"account_reauthenticate", "account_email"} < pages
    assert {"account/email/password_set", "account/email/login_code"} < mails
    assert missing == set().union(*(off.names for off in OFF.values()))


@pytest.mark.parametrize("why", OFF)
def test_what_is_off_is_off(why):
    assert OFF[why].holds()


def test_the_pages_that_allauth_serves_have_templates():
    with_pages = [view for view in mounted_views() if is_allauths(view) and "get" in view.http_method_names]
    served = [view for view in with_pages if view.template_name]  # the others answer JSON

    assert served
    assert not [view for view in served if not has_template(view.template_name)]


def names_of_pages(sources: dict[Path, ast.Module]) -> set[str]:
    """What allauth calls `reverse` with, and every other text in its code that is the name of a URL of its own."""
    names = {
        node.value.value
        for path, tree in sources.items()
        if path.name == "urls.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "name" and isinstance(node.value, ast.Constant)
    }
    elsewhere = [node for path, tree in sources.items() if path.name != "urls.py" for node in ast.walk(tree)]
    reversed_by_name = {
        node.args[0].value
        for node in elsewhere
        if isinstance(node, ast.Call)
        and called(node) in {"reverse", "reverse_lazy"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    return reversed_by_name | {
        node.value for node in elsewhere if isinstance(node, ast.Constant) and node.value in names
    }


def names_of_mails(sources: dict[Path, ast.Module]) -> set[str]:
    texts = (node.value for tree in sources.values() for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and MAIL.fullmatch(text)}


def our_pages() -> set[str]:
    return {name for name in get_resolver().reverse_dict if isinstance(name, str)}


def mounted_views() -> list[Any]:
    views = (getattr(pattern.callback, "view_class", None) for pattern in patterns(get_resolver()))
    return [view for view in views if view is not None]


def patterns(resolver: URLResolver) -> Iterator[URLPattern]:
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from patterns(each)
        else:
            yield each


def modules() -> list[Path]:
    ours = [path for path in ALLAUTH.rglob("*.py") if not NOT_OURS & set(path.relative_to(ALLAUTH).parts)]
    providers = ALLAUTH / "socialaccount" / "providers"
    return ours + [path for name in PROVIDER for path in (providers / name).rglob("*.py")]


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_allauths(view: type) -> bool:
    return any(base.__module__.startswith("allauth.") for base in view.__mro__)


def has_template(name: str) -> bool:
    try:
        return bool(get_template(name))
    except TemplateDoesNotExist:
        return False
