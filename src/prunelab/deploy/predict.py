"""`prunelab-predict`: what the pruned network of a job, or an exported file, sees in images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from prunelab.compose import TRUST, compose_job, split_arguments
from prunelab.errors import PrunelabError


def main() -> None:
    """The console command; nothing is printed unless all images can be classified."""
    parser = argparse.ArgumentParser(
        prog="prunelab-predict",
        description="Classify images with the pruned network of a finished job.",
        epilog="Any KEY=VALUE is an override as for prunelab, for instance data=digits or tracking.uri=sqlite:////x.db",
    )
    parser.add_argument("run", help="run id or name of a finished job, last, or an exported .safetensors file")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="PNG or any other that Pillow reads")
    parser.add_argument(
        "--top", type=int, default=3, metavar="K", help="so many classes, the likeliest first (default 3)"
    )
    parser.add_argument(
        "--invert", action="store_true", help="the images are dark on light, the network's light on dark"
    )
    parser.add_argument("--crop", action="store_true", help="take the middle of images of other sizes and proportions")
    parser.add_argument("--trust-code", action="store_true", help=TRUST)
    overrides, others = split_arguments(sys.argv[1:])
    arguments = parser.parse_args(others)
    try:
        if arguments.top < 1:
            parser.error(f"argument --top: {arguments.top} is refused: it takes a whole number, at least 1")
        job = compose_job(overrides)
        from prunelab.deploy.classify import classify, print_classes, stored_network

        network, card = stored_network(job, arguments.run, arguments.trust_code)
        found = classify(network, card, arguments.images, arguments.invert, arguments.crop)
        print_classes(found, arguments.top)
    except PrunelabError as error:
        sys.exit(f"prunelab-predict: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
