from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0008_count_calls"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="attribution_strategy",
            field=models.CharField(
                choices=[("historical", "Historical"), ("latest", "Latest")],
                default="historical",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="claims_strategy",
            field=models.CharField(
                choices=[("historical", "Historical"), ("latest", "Latest")],
                default="historical",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="opt_out_strategy",
            field=models.CharField(
                choices=[("historical", "Historical"), ("latest", "Latest")],
                default="historical",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="status_changed_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="organization",
            name="status_reason",
            field=models.CharField(blank=True, editable=False, max_length=200),
        ),
        migrations.AddField(
            model_name="organization",
            name="termination_date",
            field=models.DateField(
                editable=False, help_text="When participation ended, of a limited organization.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="organization",
            name="status",
            field=models.CharField(
                choices=[("active", "Active"), ("limited", "Limited"), ("denied", "Denied")],
                default="active",
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "limited"), _negated=True), ("termination_date__isnull", False), _connector="OR"
                ),
                name="limited_organization_has_a_date",
            ),
        ),
    ]
