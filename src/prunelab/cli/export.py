"""`prunelab-export`: export the pruned network of a job to a file for deployment, and check the file."""

from __future__ import annotations

import argparse
from pathlib import Path

from prunelab.cli.command import OVERRIDES, command
from prunelab.compose import TRUST

FORMATS = ("onnx", "safetensors")


def main() -> None:
    """The console command; status 1 and a message if no file could be written."""
    parser = argparse.ArgumentParser(
        prog="prunelab-export",
        description="Write the compacted network of a finished job to a file, and check what the file computes.",
        epilog=OVERRIDES,
    )
    parser.add_argument(
        "run", help="run id or name of a finished job (weight-90; of a repeated job the newest run), or last"
    )
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="default: onnx (needs the extra onnx)")
    parser.add_argument(
        "--int8", action="store_true", help="quantize to int8 (ONNX Runtime, static, per channel; format onnx)"
    )
    parser.add_argument(
        "--dense", action="store_true", help="never use the sparse form, even where it is smaller (format safetensors)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: the job's name and the format")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    parser.add_argument("--trust-code", action="store_true", help=TRUST)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="where the store is, if not here")
    with command(parser) as (here, arguments):
        if arguments.int8 and arguments.format != "onnx":
            parser.error("--int8 is refused with --format safetensors: it needs --format onnx")
        if arguments.dense and arguments.format != "safetensors":
            parser.error("--dense is refused with --format onnx: ONNX files are dense; it needs --format safetensors")
        store = here.store
        from prunelab.deploy.deployable import Wanted, export

        wanted = Wanted(
            *(arguments.run, arguments.format, arguments.output, arguments.force, arguments.trust_code),
            int8=arguments.int8,
            dense=arguments.dense,
        )
        export(store, here.job.data.folder, wanted)
