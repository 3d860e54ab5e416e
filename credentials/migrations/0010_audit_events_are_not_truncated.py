from django.db import migrations

REFUSE = """
CREATE TRIGGER audit_events_are_not_truncated BEFORE TRUNCATE ON credentials_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_event();
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0009_limit_organizations")]

    operations = [migrations.RunSQL(REFUSE, "DROP TRIGGER audit_events_are_not_truncated ON credentials_auditevent;")]
