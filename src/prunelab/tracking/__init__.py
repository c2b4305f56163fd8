"""The MLflow store: the only place of this package that knows MLflow, and the only memory that a sweep has.

Telemetry is off unless the user turns it on, so the switch is set before MLflow is first imported.
"""

import logging
import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # with the password that may stand in it
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its errors are raised, too
