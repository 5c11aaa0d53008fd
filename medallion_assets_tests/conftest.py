"""Settings that all tests share: properties are not judged by the clock of a busy machine."""

import os

from hypothesis import HealthCheck, settings

# In CI the examples are the same each time: what chance finds is for those who can look into it at once.
settings.register_profile(
    "project",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("project")
