from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0002_audit_events_are_only_added"),
    ]

    operations = [
        migrations.AddField(
            model_name="accesstoken",
            name="revoked_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="clientsecret",
            name="replaced_at",
            field=models.DateTimeField(
                editable=False,
                help_text="When a newer secret took its place; it then ends with the overlap.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="clientsecret",
            name="slot",
            field=models.PositiveSmallIntegerField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="clientsecret",
            constraint=models.UniqueConstraint(fields=("client", "slot"), name="secret_slot_once"),
        ),
        migrations.AddConstraint(
            model_name="clientsecret",
            constraint=models.CheckConstraint(
                condition=models.Q(("slot__gte", 1), ("slot__lte", 2)), name="secret_slot_of_two"
            ),
        ),
        migrations.AddConstraint(
            model_name="clientsecret",
            constraint=models.CheckConstraint(
                condition=models.Q(("revoked_at", None), ("slot", None), _connector="OR"),
                name="secret_revoked_holds_no_slot",
            ),
        ),
    ]
