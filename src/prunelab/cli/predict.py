"""`prunelab-predict`: classify images with the pruned network of a job or with an exported file."""

from __future__ import annotations

import argparse
import sys

from prunelab.cli.command import OVERRIDES, command
from prunelab.compose import TRUST
from prunelab.report.console import terminal

WIDE = 200
"""Columns of the table beside the names of the images, if it is not printed on a terminal."""


def main() -> None:
    """The console command; images that cannot be read are named at the end, and the status is then 1."""
    parser = argparse.ArgumentParser(
        prog="prunelab-predict",
        description="Classify images with the pruned network of a finished job, or with an exported file.",
        epilog=OVERRIDES,
    )
    parser.add_argument("run", help="run id or name of a finished job, last, or an exported .safetensors or .onnx file")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="a picture, a folder of pictures, or a pattern ('shoes/*.png')"
    )
    parser.add_argument(
        "--top", type=int, default=3, metavar="K", help="this many classes, the most likely first (default 3)"
    )
    parser.add_argument(
        "--invert", action="store_true", help="invert images (dark on light, for a network of light on dark)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON: a list with an object for each image")
    parser.add_argument("--crop", action="store_true", help="resize and centre-crop images that do not fit")
    parser.add_argument("--trust-code", action="store_true", help=TRUST)
    with command(parser) as (here, arguments):
        if arguments.top < 1:
            parser.error(f"argument --top: {arguments.top} is refused: it takes a whole number, at least 1")
        from prunelab.deploy.classify import as_json, as_table, classify, expanded, network_of

        paths = expanded(arguments.images)
        network, card = network_of(lambda: here.store, arguments.run, arguments.trust_code)
        seen = list(classify(network, card, paths, arguments.invert, arguments.crop))
        if arguments.json:
            print(as_json(seen, arguments.top))
        elif any(each.probabilities is not None for each in seen):
            console = terminal()
            if not sys.stdout.isatty():
                console.width = WIDE + max(len(str(path)) for path in paths)
            console.print(as_table(seen, arguments.top), highlight=False)
        failed = [each for each in seen if each.probabilities is None]
        for each in failed:
            print(f"prunelab-predict: {each.error}", file=sys.stderr)
        if failed:
            print(f"prunelab-predict: {len(failed)} of {len(seen)} images could not be classified", file=sys.stderr)
            sys.exit(1)
