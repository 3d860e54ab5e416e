from django.db import migrations

# Of the jobs that are at work. What code of before this release writes meanwhile is not subtracted: that only puts the
# job further back in its organization's line.
RECKON = """
UPDATE exports_job job SET bytes_left = shards.bytes FROM (
    SELECT job_id, sum(raw_length) AS bytes FROM exports_shard WHERE status <> 'written' GROUP BY job_id
) shards
WHERE shards.job_id = job.id AND job.status = 'in_progress'
"""


class Migration(migrations.Migration):
    dependencies = [("exports", "0009_order_jobs_by_bytes_left")]

    operations = [migrations.RunSQL(RECKON, migrations.RunSQL.noop)]
