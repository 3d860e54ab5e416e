"""The team of an organization: its team members, its invitations, and changes to both."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from credentials.models import Invitation, Membership
from credentials.people import invitations
from credentials.people import team as verbs
from credentials.people.team_rules import NotManagingError, TeamRefusedError
from portal.mail import tasks
from portal.pages.clients import ending
from portal.pages.scoping import MemberRequest, member_required, who_manages_credentials
from portal.pages.team.forms import InvitationForm, RemovalForm, RoleForm
from portal.sign_in import second_factor
from portal.sign_in.proof import kept_input, recent_proof_required
from portal.words.times import count_of

OfMember = Callable[Concatenate[MemberRequest, Membership, ...], HttpResponse]
OfInvitation = Callable[Concatenate[MemberRequest, Invitation, ...], HttpResponse]


@member_required()
@require_GET
def team(request: MemberRequest) -> HttpResponse:
    members = list(
        Membership.objects.for_organization(request.organization)
        .select_related("user", "organization")
        .order_by("user__name", "user__email")
    )
    with_second_step = second_factor.people_who_have_one([member.user_id for member in members])
    invited = Invitation.objects.for_organization(request.organization).open().select_related("invited_by")
    context = {
        "members": [(member, member.user_id in with_second_step) for member in members],
        "invitations": invited.order_by("created_at"),
        "may_change": request.membership.manages_credentials,
        "has_several_roles": len(request.organization.roles) > 1,
        "who_manages": who_manages_credentials(request.organization),
    }
    return render(request, "portal/team/list.html", context)


@member_required(manages_credentials=True, gated=True)
@recent_proof_required(keeps=("email", "name", "role"))
@require_http_methods(["GET", "POST"])
def invite(request: MemberRequest) -> HttpResponse:
    form = InvitationForm(request.POST or None, organization=request.organization, initial=kept_input(request))
    if form.is_valid():
        try:
            invited = invitations.invite(
                request.organization,
                email=form.cleaned_data["email"],
                name=form.cleaned_data["name"],
                role=form.role,
                by=request.actor,
            )
        except TeamRefusedError as refused:
            form.add_error("email", str(refused))
        else:
            tasks.send_soon()
            messages.success(request, f"We’re sending an invitation to {invited.email}. The link works for 48 hours.")
            return redirect("portal:team", request.organization.entity_id)
    return render(request, "portal/team/invite.html", {"form": form}, status=400 if form.errors else 200)


def _of_invitation(view: OfInvitation) -> Callable[..., HttpResponse]:
    """Pass the open invitation `invitation_id` to the view. Any other is 404."""

    @wraps(view)
    def found(request: MemberRequest, invitation_id: int, **arguments: Any) -> HttpResponse:
        ours = Invitation.objects.for_organization(request.organization).open().select_related("organization")
        invitation = ours.filter(pk=invitation_id).first()
        if invitation is None:
            raise Http404("Your organization has no open invitation with this number.")
        return _told(request, lambda: view(request, invitation, **arguments))

    return found


def _of_member(view: OfMember) -> Callable[..., HttpResponse]:
    """Pass the membership `member_id` to the view."""

    @wraps(view)
    def found(request: MemberRequest, member_id: int, **arguments: Any) -> HttpResponse:
        ours = Membership.objects.for_organization(request.organization).select_related("user", "organization")
        member = ours.filter(pk=member_id).first()
        if member is None:
            raise Http404("Your organization has no team member with this number.")
        return _told(request, lambda: view(request, member, **arguments))

    return found


def _told(request: MemberRequest, act: Callable[[], HttpResponse]) -> HttpResponse:
    """Shows what the rules refuse on the team page. A user who is no longer a team member gets 404."""
    try:
        return act()
    except TeamRefusedError as refused:
        verbs.write_down_refusal(refused, request.organization, by=request.actor)
        if isinstance(refused, NotManagingError):
            raise Http404(str(refused)) from refused
        messages.error(request, str(refused))
        return redirect("portal:team", request.organization.entity_id)


@member_required(manages_credentials=True, gated=True)
@recent_proof_required()
@require_http_methods(["GET", "POST"])
@_of_invitation
def resend(request: MemberRequest, invitation: Invitation) -> HttpResponse:
    if request.method == "POST":
        invitations.resend(invitation, by=request.actor)
        tasks.send_soon()
        messages.success(request, f"We’re sending the invitation to {invitation.email} again. Only the new link works.")
        return redirect("portal:team", request.organization.entity_id)
    return render(request, "portal/team/resend.html", {"invitation": invitation})


@member_required(manages_credentials=True)
@require_http_methods(["GET", "POST"])
@_of_invitation
def withdraw(request: MemberRequest, invitation: Invitation) -> HttpResponse:
    if request.method == "POST":
        email = invitation.email
        if invitations.withdraw(invitation, by=request.actor):
            messages.success(request, f"The invitation to {email} was withdrawn. Its link is no longer valid.")
        return redirect("portal:team", request.organization.entity_id)
    return render(request, "portal/team/withdraw.html", {"invitation": invitation})


@member_required(manages_credentials=True, gated=True)
@recent_proof_required(keeps=("role",))
@require_http_methods(["GET", "POST"])
@_of_member
def change_role(request: MemberRequest, member: Membership) -> HttpResponse:
    initial = kept_input(request) or {"role": member.role}
    form = RoleForm(
        request.POST if request.method == "POST" else None, organization=request.organization, initial=initial
    )
    if form.is_valid():
        if verbs.change_role(member, form.cleaned_data["role"], by=request.actor):
            messages.success(request, f"The role of {member.user} was changed.")
        return redirect("portal:team", request.organization.entity_id)
    context = {"form": form, "member": member}
    return render(request, "portal/team/role.html", context, status=400 if form.errors else 200)


@member_required(manages_credentials=True)
@recent_proof_required(keeps=("made", "exports"))
@require_http_methods(["GET", "POST"])
@_of_member
def remove(request: MemberRequest, member: Membership) -> HttpResponse:
    """Remove a team member, or leave. Always possible, like revoking API credentials."""
    made = verbs.made_by(member.user, request.organization)
    form = RemovalForm(request.POST if request.method == "POST" else None, initial=dict(kept_input(request)))
    is_oneself = member.user == request.user
    if form.is_valid():
        cancelled = ending.remove_member(
            member, revoke=form.revokes, cancels_exports=form.cancels_exports, by=request.actor
        )
        who = "You are" if is_oneself else f"{member.user} is"
        messages.success(
            request,
            f"{who} no longer a team member of {request.organization.name}."
            + (f" {count_of(cancelled, 'export')} cancelled." if cancelled else ""),
        )
        if is_oneself:
            return redirect("portal:organizations")
        return redirect("portal:team", request.organization.entity_id)
    context = {
        "form": form,
        "member": member,
        "made": made,
        "is_oneself": is_oneself,
        "running": sum(ending.running_exports(client).count() for client in made.clients),
    }
    return render(request, "portal/team/remove.html", context, status=400 if form.errors else 200)
