from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from credentials.models.user import User


class Program(models.TextChoices):
    """The Medicare programs whose organizations may be given claims."""

    SSP = "SSP", "Medicare Shared Savings Program"
    REACH = "REACH", "ACO REACH"
    KCC = "KCC", "Kidney Care Choices"


class Role(models.TextChoices):
    """What a person is in an organization. The names are those of ACO-MS and 4i."""

    CREDENTIAL_DELEGATE = "credential_delegate", "Credential Delegate"
    EXECUTIVE_CONTACT = "executive_contact", "Executive Contact"
    ENTITY_PRIMARY_CONTACT = "entity_primary_contact", "Entity Primary Contact"
    ENTITY_SECONDARY_CONTACT = "entity_secondary_contact", "Entity Secondary Contact"
    DUA_REQUESTOR = "dua_requestor", "DUA Requestor"
    DUA_CUSTODIAN = "dua_custodian", "DUA Custodian"


_FOUR_I_ROLES = frozenset(
    {
        Role.EXECUTIVE_CONTACT,
        Role.ENTITY_PRIMARY_CONTACT,
        Role.ENTITY_SECONDARY_CONTACT,
        Role.DUA_REQUESTOR,
        Role.DUA_CUSTODIAN,
    }
)

# The roles that may manage credentials, as the BCDA documentation names them for each program.
MANAGING_ROLES: dict[Program, frozenset[Role]] = {
    Program.SSP: frozenset({Role.CREDENTIAL_DELEGATE}),
    Program.REACH: _FOUR_I_ROLES,
    Program.KCC: _FOUR_I_ROLES,
}


class Organization(models.Model):
    """An entity that is responsible for beneficiaries and may be given their claims."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        DENIED = "denied", "Denied"

    entity_id = models.CharField(
        max_length=12,
        unique=True,
        validators=[RegexValidator(r"^[A-Z]{1,6}-?\d{3,6}$", "An entity id is letters and digits, for example A9994.")],
        help_text="The id that CMS gave the entity, for example A9994.",
    )
    name = models.CharField(max_length=200)
    program = models.CharField(max_length=8, choices=Program.choices)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.ACTIVE)
    is_sandbox = models.BooleanField(
        "sandbox",
        default=False,
        help_text="Holds synthetic data only. In the embedded demo, its clients may call from this machine.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["entity_id"]

    def __str__(self) -> str:
        return f"{self.entity_id} {self.name}"

    @property
    def managing_roles(self) -> frozenset[Role]:
        """The roles of this organization's program that may manage credentials."""
        return MANAGING_ROLES[Program(self.program)]


class MembershipQuerySet(models.QuerySet["Membership"]):
    def for_organization(self, organization: Organization) -> "MembershipQuerySet":
        return self.filter(organization=organization)

    def of_user(self, user: User) -> "MembershipQuerySet":
        """A person's memberships with their organizations, by the organization's name."""
        return self.filter(user=user).select_related("organization").order_by("organization__name")


class Membership(models.Model):
    """A person's place in an organization."""

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
