"""What may change of a job that is there: what is said of it, and whether lists show it."""

from domain.ground.resource import StringMap, Tags, Text
from domain.jobs.records.batch_job import BatchJob
from domain.values import Value


class JobChange(Value):
    """None leaves a field as it is; `tags` and `properties` join those that are there."""

    display_name: Text | None = None
    description: Text | None = None
    tags: Tags = {}
    properties: StringMap = {}
    is_archived: bool | None = None

    def of(self, job: BatchJob) -> BatchJob:
        return job.but(
            display_name=job.display_name if self.display_name is None else self.display_name,
            description=job.description if self.description is None else self.description,
            tags={**job.tags, **self.tags},
            properties={**job.properties, **self.properties},
            is_archived=job.is_archived if self.is_archived is None else self.is_archived,
        )
