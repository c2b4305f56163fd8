"""The artifacts of a store as files: which there are, how large, read, and deleted for good."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from prunelab.errors import StoreError
from prunelab.tracking.addresses import file_of, folder_of, sizes_in
from prunelab.tracking.run import Run

MODELS = "models"
"""The folder of an experiment below which MLflow keeps the models that runs log."""


def read_artifact(client: MlflowClient, run_id: str, address: str, path: str) -> bytes:
    """The content of an artifact: from its file where the store is local, else downloaded.

    Raises:
        StoreError: if it is not there or cannot be read.
    """
    try:
        folder = folder_of(address)
        if folder is not None:
            return file_of(folder, path).read_bytes()
        with tempfile.TemporaryDirectory() as place:
            return Path(client.download_artifacts(run_id, path, place)).read_bytes()
    except (MlflowException, OSError) as error:
        raise StoreError(f"run {run_id} has no readable artifact {path}: {error}") from error


class Artifacts:
    """The artifacts of some experiments (names by id): folders of a local store, or requests to a server.

    `root`: the folder below which a local store's artifacts are. What is recorded elsewhere is read but never deleted,
    because it may be another store's.
    """

    def __init__(self, client: MlflowClient, experiments: Mapping[str, str], root: Path | None) -> None:
        self._client = client
        self._experiments = experiments
        self._root = root

    @cached_property
    def models(self) -> dict[str, dict[str, str]]:
        """By run id, the addresses of the MLflow models it logged, by their ids."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        token = None
        while self._experiments:
            page = self._client.search_logged_models(list(self._experiments), page_token=token)
            for model in page:
                found[model.source_run_id or ""][model.model_id] = model.artifact_location
            token = page.token
            if not token:
                break
        return dict(found)

    def sizes(self, run: Run) -> dict[str, int]:
        """Bytes of each artifact of a run, by its path in the run; of its MLflow models, by `models/<id>/<path>`.

        Raises:
            StoreError: if a server does not say.
        """
        folder = folder_of(run.address)
        if folder is None:
            try:
                return dict(self._listed(run.id, None))
            except MlflowException as error:
                raise StoreError(f"run {run.id}: its artifacts cannot be listed: {error}") from error
        found = sizes_in(folder)
        for name, address in self.models.get(run.id, {}).items():
            if (place := folder_of(address)) is not None:
                found |= {f"{MODELS}/{name}/{path}": size for path, size in sizes_in(place).items()}
        return found

    def read(self, run: Run, path: str) -> bytes:
        """An artifact's content.

        Raises:
            StoreError: if it is not there or cannot be read.
        """
        return read_artifact(self._client, run.id, run.address, path)

    def is_outside(self, address: str) -> bool:
        """Whether a local address is outside of the root that the configuration names."""
        folder = folder_of(address)
        return folder is not None and self._root is not None and not folder.is_relative_to(self._root)

    def delete(self, run: Run) -> None:
        """Delete a run's artifacts, and those of its MLflow models; what is outside of the root stays.

        Raises:
            StoreError: if they cannot be deleted.
        """
        for address in (run.address, *self.models.get(run.id, {}).values()):
            folder = folder_of(address)
            try:
                if folder is None:
                    get_artifact_repository(address).delete_artifacts()  # type: ignore[no-untyped-call]
                elif not self.is_outside(address) and folder.parent.is_dir():
                    shutil.rmtree(folder.parent)
            except (MlflowException, OSError) as error:
                raise StoreError(f"run {run.id}: its artifacts cannot be deleted: {error}") from error

    def strays(self, runs: Sequence[Run]) -> dict[Path, int]:
        """Folders of runs and models that none of `runs` (all there are) owns, and their bytes; none of a server."""
        if self._root is None:
            return {}
        addresses = [run.address for run in runs]
        addresses += [address for models in self.models.values() for address in models.values()]
        owned = {folder.parent for address in addresses if (folder := folder_of(address)) is not None}
        strays = [folder for folder in self._folders(self._root) if folder not in owned]
        return {folder: sum(sizes_in(folder).values()) for folder in strays}

    def _folders(self, root: Path) -> Iterator[Path]:
        """Those in which MLflow put the artifacts of a run or a model of these experiments."""
        for name in self._experiments.values():
            for place in (root / name, root / name / MODELS):
                for child in sorted(place.iterdir()) if place.is_dir() else []:
                    if (child / "artifacts").is_dir():
                        yield child

    def _listed(self, run_id: str, path: str | None) -> Iterator[tuple[str, int]]:
        for item in self._client.list_artifacts(run_id, path):
            if item.is_dir:
                yield from self._listed(run_id, item.path)
            else:
                yield item.path, int(item.file_size or 0)
