"""The models of exports: a job, its shards, their files, and the claims store's own models."""

from exports.claims.models import Chunk, Deletion, Load, PatientIdentity
from exports.models.job import EARLIEST_SINCE, Job, JobQuerySet
from exports.models.output_file import OutputFile, OutputFileQuerySet
from exports.models.shard import Shard, ShardQuerySet
from exports.models.shard_outcomes import ShardOutcomes

__all__ = [
    "EARLIEST_SINCE",
    "Chunk",
    "Deletion",
    "Job",
    "JobQuerySet",
    "Load",
    "OutputFile",
    "OutputFileQuerySet",
    "PatientIdentity",
    "Shard",
    "ShardOutcomes",
    "ShardQuerySet",
]
