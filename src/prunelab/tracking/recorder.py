"""One run as it is written, from its creation on."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from mlflow.entities import Dataset as MlflowDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from prunelab import names
from prunelab.tracking.addresses import redacted, sqlite_file
from prunelab.tracking.outage import again, writing
from prunelab.tracking.run import DataSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

DIGEST = 36
"""Characters of a data set's digest that MLflow keeps."""


def create(uri: str, experiment_id: str, name: str, tags: Mapping[str, object]) -> str:
    """The id of a new run with these tags, RUNNING; one that a server created before its answer was lost is taken."""
    client = MlflowClient(uri)
    creation = {} if sqlite_file(uri) is not None else {names.CREATION: uuid4().hex}
    texts = {key: redacted(str(value)) for key, value in {**tags, **creation}.items()}

    def created() -> MlflowRun | None:
        condition = f"tags.`{names.CREATION}` = '{creation[names.CREATION]}'"
        return next(iter(client.search_runs([experiment_id], condition)), None)

    made = partial(client.create_run, experiment_id, run_name=name, tags=texts)
    found: MlflowRun = again(made, uri, created if creation else None)
    return str(found.info.run_id)


class Recorder:
    """Writes one run. Values are collected and sent to the store in one batch by `flush` or at the run's end."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.id = run_id
        self._metrics: list[Metric] = []
        self._params: list[Param] = []
        self._tags: list[RunTag] = []

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Metrics at a step."""
        now = int(time.time() * 1000)
        self._metrics += [Metric(name, float(value), now, step) for name, value in values.items()]

    def params(self, values: Mapping[str, object]) -> None:
        """Parameters; they cannot be changed once written."""
        self._params += [Param(name, redacted(str(value))) for name, value in values.items()]

    def tags(self, values: Mapping[str, object]) -> None:
        """Tags; a later value replaces an earlier one."""
        self._tags += [RunTag(name, redacted(str(value))) for name, value in values.items()]

    def description(self, markdown: str) -> None:
        """The text that the UI shows at the head of the run."""
        self.tags({names.NOTE: markdown})

    def files(self, contents: Mapping[str, str | bytes | Path]) -> None:
        """Artifacts by their path in the run: a text, bytes, or a file to copy. They are written at once.

        Raises:
            Unwritable: if the temporary folder cannot be written.
        """
        with writing("a temporary folder"), tempfile.TemporaryDirectory() as folder:
            for path, content in contents.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, Path):
                    content = content.read_bytes()
                if isinstance(content, str):
                    content = redacted(content).encode()
                target.write_bytes(content)
                if path in names.DIGESTS:
                    self.tags({names.DIGESTS[path]: hashlib.sha256(content).hexdigest()})
            self._client.log_artifacts(self.id, folder)

    def dataset(self, name: str, digest: str, source: str) -> None:
        """The data set that was used, as MLflow's dataset input. It is written at once."""
        used = DataSet(name, digest[:DIGEST], "local", source, {"mlflow.data.context": "training"})
        log_data_sets(self._client, self.id, [used])

    def model(self, network: nn.Module, example: NDArray[np.float32]) -> None:
        """The network as an MLflow model, with a signature and an input example. It is written at once."""
        from prunelab.tracking.model import log_model  # MLflow's PyTorch flavour takes a second to import

        log_model(self.id, network, example)

    def flush(self) -> None:
        """Write what was collected; MLflow's client splits it into requests of the size that a server takes."""
        self._client.log_batch(self.id, self._metrics, self._params, self._tags)
        self._metrics, self._params, self._tags = [], [], []

    def end(self, status: str) -> None:
        """Write what was collected, and end the run."""
        self.flush()
        self._client.set_terminated(self.id, status)


def log_data_sets(client: MlflowClient, run_id: str, used: Sequence[DataSet]) -> None:
    """Log the data sets of a run, also while another process logs the same ones.

    MLflow checks whether the experiment has a data set, and inserts it if not. If another process inserts it in
    between, the database refuses the second insertion, and trying again finds the first.
    """
    inputs = [
        DatasetInput(
            MlflowDataset(each.name, each.digest, each.source_type, each.source),
            [InputTag(key, value) for key, value in each.tags.items()],
        )
        for each in used
    ]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException as error:
        if error.error_code != "BAD_REQUEST":
            raise
        client.log_inputs(run_id, inputs)
