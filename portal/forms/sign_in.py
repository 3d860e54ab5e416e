from django.contrib.auth.forms import AuthenticationForm

from portal.forms.rendering import UswdsRenderer


class SignInForm(AuthenticationForm):
    """E-mail and password. Whatever is wrong, the answer is the same, so that it tells nobody who has an account."""

    default_renderer = UswdsRenderer
    error_messages = {
        "invalid_login": "The e-mail address or the password is wrong. Check both and try again.",
        "inactive": "The e-mail address or the password is wrong. Check both and try again.",
    }
