"""The workload `level`, where the service looks for it."""

from level_project import Level

WORKLOAD = Level()
