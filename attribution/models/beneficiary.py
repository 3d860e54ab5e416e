from django.db import models


class Beneficiary(models.Model):
    """A person with Medicare. The row has no personal data. The MBIs identify the beneficiary."""

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "beneficiaries"

    def __str__(self) -> str:
        return f"beneficiary {self.pk}"


class Mbi(models.Model):
    """A Medicare Beneficiary Identifier. A beneficiary can have several over time. An MBI never changes hands."""

    value = models.CharField(max_length=11, primary_key=True)
    beneficiary = models.ForeignKey(Beneficiary, on_delete=models.CASCADE, related_name="mbis")

    class Meta:
        verbose_name = "MBI"

    def __str__(self) -> str:
        # The repr must not put an MBI into a log or an error page.
        return f"MBI ending in {self.value[-2:]}"
