"""The artifacts of a store as files: which there are, how large, read, and deleted for good."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from prunelab.errors import StoreError
from prunelab.tracking.inventory import Entry
from prunelab.tracking.moved import file_of, folder_of

MODELS = "models"
"""The folder of an experiment below which MLflow keeps the models that runs log."""


class Artifacts:
    """Those of a local store, in folders; or of a server, asked for.

    `root`: the folder below which a local store's artifacts are. What is recorded elsewhere is looked at and never
    deleted, because it may be another store's.
    """

    def __init__(self, client: MlflowClient, experiments: Sequence[Experiment], root: Path | None) -> None:
        self._client = client
        self._experiments = experiments
        self._root = root

    @cached_property
    def models(self) -> dict[str, dict[str, str]]:
        """By run id, the addresses of the MLflow models it logged, by their ids."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        token = None
        ids = [experiment.experiment_id for experiment in self._experiments]
        while ids:
            page = self._client.search_logged_models(ids, page_token=token)
            for model in page:
                found[model.source_run_id or ""][model.model_id] = model.artifact_location
            token = page.token
            if not token:
                break
        return dict(found)

    def sizes(self, entry: Entry) -> dict[str, int]:
        """Bytes of each artifact of a run, by its path in the run; of its MLflow models, by `models/<id>/`.

        Raises:
            StoreError: if a server does not say.
        """
        models = self.models.get(entry.id, {})
        folder = folder_of(entry.address)
        if folder is None:
            try:
                return dict(self._listed(entry.id, None))
            except MlflowException as error:
                raise StoreError(f"run {entry.id}: its artifacts cannot be listed: {error}") from error
        places = {"": folder, **{f"{MODELS}/{name}/": folder_of(address) for name, address in models.items()}}
        return {
            prefix + path.relative_to(place).as_posix(): path.stat().st_size
            for prefix, place in places.items()
            if place is not None
            for path in _files(place)
        }

    def read(self, entry: Entry, path: str) -> bytes:
        """An artifact's content.

        Raises:
            StoreError: if it is not there or cannot be read.
        """
        try:
            folder = folder_of(entry.address)
            if folder is not None:
                return file_of(folder, path).read_bytes()
            with tempfile.TemporaryDirectory() as place:
                return Path(self._client.download_artifacts(entry.id, path, place)).read_bytes()
        except (MlflowException, OSError) as error:
            raise StoreError(str(error)) from error

    def is_outside(self, address: str) -> bool:
        """Whether a local address is outside of the root that the configuration names."""
        folder = folder_of(address)
        return folder is not None and self._root is not None and not folder.is_relative_to(self._root)

    def delete(self, entry: Entry) -> None:
        """Delete a run's artifacts, and those of its MLflow models; what is outside of the root stays.

        Raises:
            StoreError: if they cannot be deleted.
        """
        for address in (entry.address, *self.models.get(entry.id, {}).values()):
            folder = folder_of(address)
            try:
                if folder is None:
                    get_artifact_repository(address).delete_artifacts()  # type: ignore[no-untyped-call]
                elif not self.is_outside(address) and folder.parent.is_dir():
                    shutil.rmtree(folder.parent)
            except (MlflowException, OSError) as error:
                raise StoreError(f"run {entry.id}: its artifacts cannot be deleted: {error}") from error

    def strays(self, entries: Sequence[Entry]) -> dict[Path, int]:
        """Folders of runs and models that no run owns, and the bytes in them; of a server none are known."""
        if self._root is None:
            return {}
        addresses = [entry.address for entry in entries]
        addresses += [address for models in self.models.values() for address in models.values()]
        owned = {folder.parent for address in addresses if (folder := folder_of(address)) is not None}
        strays = [folder for folder in self._folders(self._root) if folder not in owned]
        return {folder: sum(path.stat().st_size for path in _files(folder)) for folder in strays}

    def _folders(self, root: Path) -> Iterator[Path]:
        """Those in which MLflow put the artifacts of a run or a model of these experiments."""
        for experiment in self._experiments:
            for place in (root / experiment.name, root / experiment.name / MODELS):
                for child in sorted(place.iterdir()) if place.is_dir() else []:
                    if (child / "artifacts").is_dir():
                        yield child

    def _listed(self, run_id: str, path: str | None) -> Iterator[tuple[str, int]]:
        for item in self._client.list_artifacts(run_id, path):
            if item.is_dir:
                yield from self._listed(run_id, item.path)
            else:
                yield item.path, int(item.file_size or 0)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
