"""A sweep as one file: a zip archive of `manifest.json` and the artifacts of its runs, each as `<run id>/<path>`.

An archive may come from anyone. Nothing in it is executed or unpacked by its own names, and it is read as a whole and
compared with the digests in its manifest before anything is written anywhere.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from prunelab import names
from prunelab.errors import StoreError
from prunelab.names import Kind
from prunelab.refusals import refusals
from prunelab.tracking.addresses import refuse_path
from prunelab.tracking.run import DataSet

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 2**29
"""Bytes; that of a sweep of 10,000 jobs has about a tenth of it."""
CHUNK = 2**20
ENCRYPTED = 1
MODE_SHIFT = 16
"""A zip entry's attributes have the mode of a Unix file in their upper bits."""


def _printable(text: str) -> str:
    if not text or not text.isprintable() or len(text) > 250:
        raise ValueError("a name has 1 to 250 printable characters")
    return text


def _folder(text: str) -> str:
    try:
        refuse_path(text)
    except StoreError as error:
        raise ValueError(str(error)) from None
    return _printable(text)


def _path(text: str) -> str:
    parts = text.split("/")
    if not all(part not in ("", ".", "..") and part.isprintable() for part in parts) or "\\" in text:
        raise ValueError("a path leads down from its run's folder, without .. or a / at its beginning")
    return text


Name = Annotated[str, AfterValidator(_printable)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def member_of(run_id: str, path: str) -> str:
    """The name of an artifact in the archive."""
    return f"{run_id}/{path}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_inf_nan="constants")


class File(_Part):
    """An artifact: its bytes, and their SHA-256."""

    size: Annotated[int, Field(ge=0)]
    sha256: Digest


class ArchivedRun(_Part):
    """A run with all that the store has of it. Times in ms; `metrics` as (name, value, time, step), all of them."""

    id: RunId
    name: Name
    kind: Kind
    status: Literal["FINISHED", "FAILED", "KILLED"]
    started: int
    ended: int | None
    tags: dict[str, str]
    params: dict[str, str]
    metrics: list[tuple[str, float, int, int]]
    inputs: list[DataSet]
    files: dict[Annotated[str, AfterValidator(_path)], File]


class Manifest(_Part):
    """A sweep's runs: first the baselines that its jobs started from, last its own."""

    format: Literal[1] = 1
    experiment: Annotated[str, AfterValidator(_folder)]
    runs: list[ArchivedRun]

    @property
    def sweep(self) -> ArchivedRun:
        """The sweep's own run."""
        return self.runs[-1]

    @property
    def size(self) -> int:
        """Bytes of all artifacts."""
        return sum(file.size for run in self.runs for file in run.files.values())


class Archive:
    """An archive that has passed all checks."""

    def __init__(self, file: zipfile.ZipFile, manifest: Manifest) -> None:
        self._file = file
        self.manifest = manifest

    def copy(self, run: ArchivedRun, path: str, target: Path) -> None:
        """Write an artifact to `target`, whose folder is made.

        Raises:
            StoreError: if the archive was changed since it was checked.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            for chunk in _checked(self._file, member_of(run.id, path), run.files[path]):
                out.write(chunk)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """The archive at `path`, after all of it was read and compared with its digests.

    Raises:
        StoreError: if it is not an archive of a sweep, is damaged, or is malicious.
    """
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is not a file: it cannot be read as an archive of a sweep")
    with ExitStack() as stack:
        try:
            archive = _whole(stack.enter_context(zipfile.ZipFile(path)))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, UnicodeDecodeError) as error:
            raise StoreError(f"{path} cannot be read as an archive of a sweep: {error}") from error
        except StoreError as error:
            raise StoreError(f"{path} is refused: {error}") from error
        yield archive


def _whole(file: zipfile.ZipFile) -> Archive:
    _refuse_unusual_members(file)
    manifest = _manifest(file)
    _refuse_foreign_relations(manifest)
    files = {member_of(run.id, name): facts for run in manifest.runs for name, facts in run.files.items()}
    there = set(file.namelist()) - {MANIFEST}
    if there != set(files):
        raise StoreError(f"{min(there ^ set(files))!r} is in the archive or its manifest, but not in both")
    for member, facts in files.items():
        for _ in _checked(file, member, facts):
            pass
    return Archive(file, manifest)


def _refuse_unusual_members(file: zipfile.ZipFile) -> None:
    twice = [name for name, count in Counter(file.namelist()).items() if count > 1]
    if twice:
        raise StoreError(f"{twice[0]!r} is in it twice")
    for member in file.infolist():
        mode = member.external_attr >> MODE_SHIFT
        if member.flag_bits & ENCRYPTED or member.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
            raise StoreError(f"{member.filename!r} is not a plain file; links, folders and encrypted files are refused")


def _manifest(file: zipfile.ZipFile) -> Manifest:
    if MANIFEST not in file.namelist():
        raise StoreError(f"it has no {MANIFEST}: prunelab-store export writes archives of sweeps")
    with file.open(MANIFEST) as stream:
        content = stream.read(LARGEST_MANIFEST + 1)
    if len(content) > LARGEST_MANIFEST:
        raise StoreError(f"its {MANIFEST} is larger than {LARGEST_MANIFEST:,} bytes")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = refusals(error, Manifest, "manifest.").partition("\n")[0]
        raise StoreError(first[:300].encode("unicode_escape").decode()) from None


def _refuse_foreign_relations(manifest: Manifest) -> None:
    """Refuse runs that are not one sweep with its parts, or would attach themselves to runs of the store."""
    if not manifest.runs or manifest.sweep.kind is not Kind.SWEEP:
        raise StoreError("its last run is not a sweep")
    ids = {run.id for run in manifest.runs}
    if len(ids) < len(manifest.runs):
        raise StoreError("two of its runs have the same id")
    baselines = {run.id for run in manifest.runs if run.kind is Kind.BASELINE}
    for run in manifest.runs:
        problem = _problem(run, manifest.sweep, baselines)
        if problem:
            raise StoreError(f"{run.kind.value} {run.name}: {problem}")


def _problem(run: ArchivedRun, sweep: ArchivedRun, baselines: set[str]) -> str | None:
    """What is wrong with how a run refers to others."""
    if run.tags.get(names.KIND) != run.kind.value:
        return f"its tag {names.KIND} does not match its kind"
    if run.tags.get(names.PARENT) != (sweep.id if run.kind is Kind.JOB else None):
        return "it is not a part of the archived sweep"
    if run.kind is Kind.CURVE and run.tags.get(names.SWEEP_ID) != sweep.id:
        return "it is not a curve of the archived sweep"
    if run.kind is Kind.SWEEP and run is not sweep:
        return "it is a second sweep"
    if run.kind is Kind.JOB:
        if names.CONFIG_HASH not in run.tags:
            return f"it has no tag {names.CONFIG_HASH}"
        baseline = run.tags.get(names.BASELINE_RUN)
        if baseline not in baselines and (baseline is not None or run.status == "FINISHED"):
            return "its baseline is not in the archive"
    if run.kind is Kind.BASELINE and names.BASELINE_KEY not in run.tags:
        return f"it has no tag {names.BASELINE_KEY}"
    for path, tag in names.DIGESTS.items():
        if path in run.files and run.files[path].sha256 != run.tags.get(tag, run.files[path].sha256):
            return f"{path} is not what was recorded"
    return None


def _checked(file: zipfile.ZipFile, member: str, facts: File) -> Iterator[bytes]:
    """A member's content in chunks.

    Raises:
        StoreError: if it is not what the manifest says.
    """
    digest, size = hashlib.sha256(), 0
    with file.open(member) as stream:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            if size > facts.size:
                break
            digest.update(chunk)
            yield chunk
    if size != facts.size or digest.hexdigest() != facts.sha256:
        raise StoreError(f"{PurePosixPath(member)} is damaged: it does not have the SHA-256 of the manifest")
