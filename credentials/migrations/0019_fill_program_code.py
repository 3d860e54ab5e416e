"""Each organization whose entity ID is one of its program's gets the program's code. KCC was two programs.

The others have no program from now on: they keep their people and their history, and get no data.
"""

from typing import Any

from django.db import migrations

# Some rows at a time, so that nobody waits long for them. What the release before writes meanwhile stays empty, and
# Organization.program finds it by the old column.
FILL = """
UPDATE credentials_organization SET program_code = CASE left(entity_id, 1)
    WHEN 'A' THEN 'SSP' WHEN 'D' THEN 'REACH' WHEN 'C' THEN 'CKCC' WHEN 'K' THEN 'KCF' END
WHERE id IN (
    SELECT id FROM credentials_organization
    WHERE program_code = '' AND entity_id ~ '^[ADCK][0-9]{4}$'
    AND (program, left(entity_id, 1)) IN (('SSP', 'A'), ('REACH', 'D'), ('KCC', 'C'), ('KCC', 'K'))
    ORDER BY id LIMIT 500 FOR NO KEY UPDATE
)
"""


def fill(apps: Any, schema_editor: Any) -> None:  # noqa: ARG001  # Django's signature
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(FILL)
        while cursor.rowcount:
            cursor.execute(FILL)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("credentials", "0018_add_program_code")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
