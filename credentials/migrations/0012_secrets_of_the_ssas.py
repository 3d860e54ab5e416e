from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0011_remember_notices")]

    operations = [
        migrations.AddField(
            model_name="clientsecret",
            name="imported_hash",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="The slow hash that the SSAS had of it; its first use here puts the digest in its place.",
                max_length=300,
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="clientsecret",
            name="digest",
            field=models.BinaryField(editable=False, max_length=32, null=True, unique=True),
        ),
        migrations.AlterField(
            model_name="clientsecret",
            name="hint",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="The secret's last four characters, once they are known.",
                max_length=4,
            ),
        ),
        migrations.AddConstraint(
            model_name="clientsecret",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("digest__isnull", False), ("imported_hash", "")),
                    models.Q(("digest", None), models.Q(("imported_hash", ""), _negated=True)),
                    _connector="OR",
                ),
                name="secret_has_one_hash",
            ),
        ),
    ]
