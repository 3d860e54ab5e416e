from django.contrib.auth.views import LoginView, LogoutView

from portal.forms.sign_in import SignInForm


class SignIn(LoginView):
    """E-mail and password; `next` is followed within this site only."""

    template_name = "portal/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


class SignOut(LogoutView):
    """Ends the session; by POST only."""
