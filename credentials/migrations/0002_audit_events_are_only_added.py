from django.db import migrations

REFUSE = """
CREATE FUNCTION refuse_change_of_audit_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Audit events are only added: % is refused.', TG_OP;
END $$;
CREATE TRIGGER audit_events_are_only_added BEFORE UPDATE OR DELETE ON credentials_auditevent
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit_event();
"""

ALLOW = """
DROP TRIGGER audit_events_are_only_added ON credentials_auditevent;
DROP FUNCTION refuse_change_of_audit_event();
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
