from django.conf import settings
from django.db import models
from django.utils import timezone


class OperatorTokenQuerySet(models.QuerySet["OperatorToken"]):
    def live(self) -> "OperatorTokenQuerySet":
        """Tokens that work: they have not ended, and their users are still operators."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), user__is_staff=True, user__is_active=True)


class OperatorToken(models.Model):
    """A token with which a program calls the administration API as an operator. Only its SHA-256 is stored."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="operator_tokens")
    name = models.CharField(max_length=64, help_text="What uses it.")
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    hint = models.CharField(max_length=4, editable=False, help_text="The token's last four characters.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = OperatorTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"
