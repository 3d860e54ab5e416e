import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from credentials import programs
from credentials.models.user import User


class Role(models.TextChoices):
    """The role of a user in an organization. The names are those of ACO-MS and 4i."""

    CREDENTIAL_DELEGATE = "credential_delegate", "Credential Delegate"
    EXECUTIVE_CONTACT = "executive_contact", "Executive Contact"
    ENTITY_PRIMARY_CONTACT = "entity_primary_contact", "Entity Primary Contact"
    ENTITY_SECONDARY_CONTACT = "entity_secondary_contact", "Entity Secondary Contact"
    DUA_REQUESTOR = "dua_requestor", "DUA Requestor"
    DUA_CUSTODIAN = "dua_custodian", "DUA Custodian"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The last day that counts for an organization, for each kind of data; None for no limit. The days are included."""

    attribution_until: dt.date | None = None  # rosters that CMS made later don't apply
    opt_out_as_of: dt.date | None = None  # later opt-outs don't apply
    claims_through_date: dt.date | None = None  # claims for later services are left out


class Organization(models.Model):
    """An entity that is responsible for beneficiaries and can get their claims."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        LIMITED = "limited", "Limited"
        DENIED = "denied", "Denied"

    class Strategy(models.TextChoices):
        """Which date limits an organization: the day its participation ended, or today."""

        HISTORICAL = "historical", "Historical"
        LATEST = "latest", "Latest"

    entity_id = models.CharField(
        max_length=12,
        unique=True,
        help_text="The ID that CMS assigned to the entity, for example A9994. It must be one of its program’s.",
    )
    name = models.CharField(max_length=200)
    program_code = models.CharField(
        "program",
        max_length=16,
        choices=programs.choices,
        blank=True,
        default="",
        db_default="",
        help_text="Decides what the organization can get. Without a program, it gets no data.",
    )
    # Only for code of the release before, which reads and writes it: see `columns_of`. The next release drops it.
    code_before = models.CharField(max_length=8, db_column="program", default="", editable=False)
    program_changed_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="What was exported before follows the rules of another program, or of none.",
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=200, blank=True, editable=False)
    status_changed_at = models.DateTimeField(null=True, editable=False)
    termination_date = models.DateField(
        null=True, editable=False, help_text="For a limited organization: when its participation ended."
    )
    attribution_strategy = models.CharField(
        max_length=10, choices=Strategy.choices, default=Strategy.HISTORICAL, editable=False
    )
    opt_out_strategy = models.CharField(
        max_length=10, choices=Strategy.choices, default=Strategy.HISTORICAL, editable=False
    )
    claims_strategy = models.CharField(
        max_length=10, choices=Strategy.choices, default=Strategy.HISTORICAL, editable=False
    )
    is_sandbox = models.BooleanField(
        "sandbox",
        default=False,
        help_text="Holds synthetic data only. In the demo, its clients can call from this machine.",
    )
    requires_second_factor = models.BooleanField(
        "requires two-factor authentication",
        default=True,
        help_text="Team members who manage its API credentials must also use an authenticator app or a passkey.",
    )
    # What differs from its program: see `exceptions`. Empty where nothing does.
    api_versions = ArrayField(
        models.PositiveSmallIntegerField(),
        verbose_name="API versions",
        null=True,
        blank=True,
        help_text="Only these versions, by number, separated by commas. Leave empty for those of the program.",
    )
    claims_from_date = models.DateField(
        "claims from",
        null=True,
        blank=True,
        help_text="The earliest service date of its claims. Leave empty for the look-back of the program. "
        "GUIDE: 2021-07-01 for an established program.",
    )
    has_partially_adjudicated = models.BooleanField(
        "partially adjudicated claims",
        null=True,
        blank=True,
        help_text="Whether it gets Claim and ClaimResponse. “Unknown” is what the program says.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["entity_id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(status="limited") | Q(termination_date__isnull=False),
                name="limited_organization_has_a_date",
            )
        ]

    def __str__(self) -> str:
        return f"{self.entity_id} {self.name}"

    def clean(self) -> None:
        """Forms don't have the termination date, so the constraint alone could not explain the problem."""
        if self.status == self.Status.LIMITED and self.termination_date is None:
            raise ValidationError(
                {"status": "To limit an organization, use “manage.py set_organization_state”: it asks for the date."}
            )

    @property
    def program(self) -> programs.Program | None:
        """Its program, if the entity ID is one of that program's. Without a program, an organization gets no data."""
        named = programs.PROGRAMS.get(self.program_code)
        if named and self.entity_id in named.entity_ids:
            return named
        # Code of the release before has written the row since the update.
        return programs.program_before(self.code_before, self.entity_id)

    @property
    def exceptions(self) -> programs.Exceptions:
        return programs.Exceptions(
            api_versions=tuple(sorted(set(self.api_versions))) if self.api_versions else None,
            claims_from_date=self.claims_from_date,
            has_partially_adjudicated=self.has_partially_adjudicated,
        )

    @property
    def rules(self) -> programs.Program | None:
        """The facts of its program, with its own exceptions. Whoever asks what it can get asks this."""
        return self.exceptions.applied_to(self.program) if self.program else None

    @property
    def program_name(self) -> str:
        return self.program.name if self.program else "No program"

    @staticmethod
    def columns_of(program: programs.Program) -> dict[str, str]:
        """Return the values that name a program, also for code of the release before."""
        return {"program_code": program.code, "code_before": programs.code_before(program.code)}

    def program_problem(self) -> str | None:
        """Return why it has no program; None if it has one."""
        if self.program:
            return None
        named = programs.PROGRAMS.get(self.program_code)
        if named is None:
            known = " or ".join(f"{each.entity_ids.example} ({each.name})" for each in programs.PROGRAMS)
            return f"{self.entity_id} has no program. Choose the one that its entity ID belongs to, like {known}."
        return f"{self.entity_id} isn’t an entity ID of {named.name}. Use one like {named.entity_ids.example}."

    def bounds(self) -> Bounds:
        """Return the last day for each kind of data. Only a limited organization has bounds."""
        if self.status != self.Status.LIMITED:
            return Bounds()

        def bound(strategy: str) -> dt.date | None:
            return self.termination_date if strategy == self.Strategy.HISTORICAL else None

        return Bounds(
            attribution_until=bound(self.attribution_strategy),
            opt_out_as_of=bound(self.opt_out_strategy),
            claims_through_date=bound(self.claims_strategy),
        )

    @property
    def managing_roles(self) -> frozenset[Role]:
        """Return the roles that can manage credentials: those of its program.

        Without a program, every role can: there is nothing to get, and whoever is there can look and revoke.
        """
        return frozenset(role for role in Role if self.program is None or role in self.program.roles)

    @property
    def roles(self) -> list[Role]:
        """Return the roles of its program, in the order of Role. Each of them manages credentials."""
        return [role for role in Role if role in self.managing_roles]


class MembershipQuerySet(models.QuerySet["Membership"]):
    def for_organization(self, organization: Organization) -> "MembershipQuerySet":
        return self.filter(organization=organization)

    def managing_credentials(self, organization: Organization) -> "MembershipQuerySet":
        """Memberships of an organization whose role manages credentials, and whose user can sign in."""
        return self.for_organization(organization).filter(role__in=organization.managing_roles, user__is_active=True)

    def of_user(self, user: User) -> "MembershipQuerySet":
        """A user's memberships with their organizations, by the organization's name."""
        return self.filter(user=user).select_related("organization").order_by("organization__name")


class Membership(models.Model):
    """A user's membership in an organization."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=24, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization.entity_id} as {self.get_role_display()}"

    @property
    def manages_credentials(self) -> bool:
        return Role(self.role) in self.organization.managing_roles
