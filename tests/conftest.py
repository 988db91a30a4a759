"""What all tests share: how hypothesis draws (``HYPOTHESIS_PROFILE=hunt`` looks further), a cache of their own."""

from __future__ import annotations

import os
import tempfile

from hypothesis import HealthCheck, settings

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile("fixed", max_examples=120, derandomize=True, deadline=None, suppress_health_check=QUIET)
settings.register_profile("hunt", max_examples=1000, deadline=None, suppress_health_check=QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Set before anything is compiled, and for the processes that tests start.
_CACHE = tempfile.TemporaryDirectory(prefix="symnet-tests-")
os.environ["SYMNET_CACHE_DIR"] = _CACHE.name
