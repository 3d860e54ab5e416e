from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class PreferenceChangeQuerySet(models.QuerySet["PreferenceChange"]):
    def in_effect(self) -> "PreferenceChangeQuerySet":
        """Files and entries that were accepted and not reverted."""
        return self.filter(status=PreferenceChange.Status.ACCEPTED, reverts=None, reverted_by=None)

    def latest_first(self) -> "PreferenceChangeQuerySet":
        return self.order_by("-id")


class PreferenceChange(models.Model):
    """A step in the ledger of preferences: a file, an operator's entry, or the revert of an earlier step.

    Nothing in the ledger is changed or deleted. Steps are made one after the other: whoever sees one sees all with a
    lower id (attribution/consent/ledger.py).
    """

    class Kind(models.TextChoices):
        FILE = "file", "File"
        ENTRY = "entry", "Entry"
        REVERT = "revert", "Revert"

    class Status(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        REFUSED = "refused", "Refused"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    status = models.CharField(max_length=8, choices=Status.choices)
    file_name = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    recorded_at = models.DateTimeField(db_default=Now())
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    opt_out_count = models.PositiveIntegerField("opt-outs", default=0)
    opt_in_count = models.PositiveIntegerField("opt-ins", default=0)
    blank_count = models.PositiveIntegerField("without a preference", default=0)
    reverts = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="reverted_by")
    reason = models.CharField(max_length=255, blank=True, help_text="Why it was reverted.")
    problems = models.JSONField(default=list, help_text="Why it was refused: file, line, column, reason.")

    objects = PreferenceChangeQuerySet.as_manager()

    class Meta:
        verbose_name = "change of preferences"
        verbose_name_plural = "changes of preferences"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="revert", reverts__isnull=False) | (~Q(kind="revert") & Q(reverts=None)),
                name="preference_revert_reverts",
            ),
        ]

    def __str__(self) -> str:
        return self.file_name or f"{self.Kind(self.kind).label} {self.pk}"

    @property
    def is_reverted(self) -> bool:
        return PreferenceChange.objects.filter(reverts=self.pk).exists()


class Preference(models.Model):
    """What a beneficiary has said about sharing claims, as of a day. A blank one says nothing, and is kept too.

    The MBI can be one that no roster has had yet.
    """

    class Choice(models.TextChoices):
        OPT_OUT = "N", "Don't share (N)"
        OPT_IN = "Y", "Share (Y)"
        NONE = "", "No preference"

    change = models.ForeignKey(PreferenceChange, on_delete=models.PROTECT, related_name="preferences")
    mbi = models.CharField("MBI", max_length=11)
    choice = models.CharField(max_length=1, choices=Choice.choices, blank=True)
    effective_date = models.DateField(null=True)
    source = models.CharField(max_length=32, blank=True, help_text="Where the beneficiary said so, such as 1-800.")
    line = models.PositiveIntegerField(null=True, help_text="In the file.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(choice="") | Q(effective_date__isnull=False), name="preference_has_date")
        ]
        indexes = [
            models.Index(fields=["effective_date"], condition=Q(choice="N"), name="preference_opt_outs"),
            models.Index(fields=["mbi", "effective_date"], condition=Q(choice="N"), name="preference_opt_outs_of_mbi"),
            models.Index(fields=["mbi", "effective_date"], condition=Q(choice="Y"), name="preference_opt_ins"),
        ]

    def __str__(self) -> str:
        # The repr must not put an MBI into a log or an error page.
        return f"preference {self.pk}"
