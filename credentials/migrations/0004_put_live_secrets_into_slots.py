from django.db import migrations

# Of each client's live secrets the two newest; what is older opens nothing from now on.
TAKE_SLOTS = """
UPDATE credentials_clientsecret AS secret SET slot = place.number
FROM (
    SELECT id, row_number() OVER (PARTITION BY client_id ORDER BY created_at DESC, id DESC) AS number
    FROM credentials_clientsecret
    WHERE revoked_at IS NULL AND expires_at > now()
) AS place
WHERE place.id = secret.id AND place.number <= 2;
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0003_two_slots_for_secrets")]

    operations = [migrations.RunSQL(TAKE_SLOTS, "UPDATE credentials_clientsecret SET slot = NULL;")]
