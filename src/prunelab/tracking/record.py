"""What a job leaves in the store, besides its numbers."""

from __future__ import annotations

import json

from prunelab import names
from prunelab.tracking.environment import machine, versions


def provenance(config: str) -> dict[str, str]:
    """Artifacts that say what was run and with what: the resolved config, package versions, the kind of machine."""
    environment = {"versions": versions(), "machine": machine()}
    return {names.CONFIG_FILE: config, names.ENVIRONMENT_FILE: json.dumps(environment, indent=2)}
