"""The pages behind the link of an invitation."""

from http import HTTPStatus
from typing import cast

from allauth.socialaccount.adapter import get_adapter as get_provider_adapter
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.models import Invitation, Membership, User
from credentials.people import invitations
from credentials.people.invitations import InvitationOverError, Key
from portal.pages.invitations.forms import AcceptanceForm, NewPersonForm
from portal.sign_in import attempts, invited, mail_addresses


@never_cache
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password1")
def invitation(request: HttpRequest) -> HttpResponse:
    """The link is moved to the session, so that it doesn't stay in the browser's location bar. Only POST accepts."""
    if "link" in request.GET:
        return _arrive(request)
    key = invited.key(request)
    try:
        found = invitations.found(key)
    except InvitationOverError as over:
        return _over(request, over)
    if key is None or found.has_expired:
        return _over(request, InvitationOverError(Reason.INVITATION_EXPIRED, found))
    if request.user.is_authenticated:
        return _for_known_person(request, found, key)
    if User.objects.filter(email__iexact=found.email).exists():
        messages.info(request, f"Sign in as {found.email} to accept the invitation to {found.organization.name}.")
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': request.path})}")
    return _for_new_person(request, found, key)


def _arrive(request: HttpRequest) -> HttpResponse:
    if excess := attempts.spend_on_invitations(request):
        response = render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)
        response["Retry-After"] = excess.retry_after
        return response
    invited.remember(request, invitations.key_of(request.GET["link"]))
    return HttpResponseRedirect(request.path)


def _for_known_person(request: HttpRequest, found: Invitation, key: Key) -> HttpResponse:
    user = cast("User", request.user)
    if not found.is_for(user.email):
        invitations.write_down_refusal(found, reason=Reason.INVITATION_ANOTHER_PERSON, by=Actor.of_user(user, request))
        return render(request, "portal/invitations/somebody_else.html", status=HTTPStatus.FORBIDDEN)
    form = AcceptanceForm(request.POST if _is_about(request, found) else None, invitation=found)
    if form.is_valid():
        try:
            joined = invitations.accept(key, user=user, by=Actor.of_user(user, request))
        except InvitationOverError as over:
            return _over(request, over)
        invited.forget(request)
        messages.success(request, f"You joined {joined.organization.name}.")
        return redirect("portal:overview", joined.organization.entity_id)
    return _page(request, found, form)


@sensitive_variables("form")
def _for_new_person(request: HttpRequest, found: Invitation, key: Key) -> HttpResponse:
    form = NewPersonForm(
        request.POST if _is_about(request, found) else None, invitation=found, initial={"name": found.name}
    )
    if form.is_valid():
        try:
            joined = _join(request, key, form)
        except InvitationOverError as over:
            return _over(request, over)
        invited.forget(request)
        messages.success(
            request, f"Your account was created, and you joined {joined.organization.name}. Sign in to continue."
        )
        overview = reverse("portal:overview", args=[joined.organization.entity_id])
        return HttpResponseRedirect(f"{reverse('account_login')}?{urlencode({'next': overview})}")
    return _page(request, found, form)


@transaction.atomic
def _join(request: HttpRequest, key: Key, form: NewPersonForm) -> Membership:
    joined = invitations.accept_as_new_person(
        key,
        name=form.cleaned_data["name"],
        password=form.cleaned_data["password1"],
        by=Actor.of_user(None, request),
    )
    # Anyone who has the link can read that mailbox.
    mail_addresses.note_verified(joined.user)
    return joined


def _page(request: HttpRequest, found: Invitation, form: AcceptanceForm) -> HttpResponse:
    is_new = isinstance(form, NewPersonForm)
    providers = get_provider_adapter().list_providers(request) if is_new else []
    context = {"form": form, "invitation": found, "is_new": is_new, "providers": providers}
    return render(request, "portal/invitations/accept.html", context, status=400 if form.errors else 200)


def _over(request: HttpRequest, over: InvitationOverError) -> HttpResponse:
    """For an expired invitation, say who can send it again. All other problems get the same page."""
    user = request.user if request.user.is_authenticated else None
    if over.invitation is not None:
        invitations.write_down_refusal(over.invitation, reason=over.reason, by=Actor.of_user(user, request))
    if over.reason == Reason.INVITATION_EXPIRED:
        context = {"invitation": over.invitation}
        return render(request, "portal/invitations/expired.html", context, status=HTTPStatus.GONE)
    return render(request, "portal/invitations/over.html", status=HTTPStatus.NOT_FOUND)


def _is_about(request: HttpRequest, found: Invitation) -> bool:
    """Whether the form is from this invitation's page. Another invitation may have been opened in another tab."""
    return request.method == "POST" and request.POST.get("invitation") == str(found.pk)
