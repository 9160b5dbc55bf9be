"""How large the images of the functions are, and how long a handler takes to import in its own."""

from __future__ import annotations

import os
import sys
from typing import Any

from benchmarks.controls.tables import markdown_table
from benchmarks.speed.measuring import PeerMissingError, in_process


def measure() -> dict[str, Any]:
    """Ask the container engine about the images that `make images` has built.

    Raises
    ------
    PeerMissingError
        If there is no engine, or no image.
    """
    base_image = os.environ.get("BASE_IMAGE", "python:3.11-slim-bookworm")
    found: dict[str, Any] | None = in_process(
        sys.executable, ["docker/images.py", "measure", "--base-image", base_image]
    )
    if not found:
        raise PeerMissingError("no container engine answers, or `make images` was not run")
    return found


def section(result: dict[str, Any]) -> str:
    """Tables of the page."""
    base = result["base"]
    sizes = [
        [
            f"`amts-{target}`",
            f"{one['size'] / 1e6:,.0f}",
            f"{(one['size'] - base) / 1e6:,.0f}",
            f"under {one['limit'] / 1e6:,.0f}" + (", all in all" if one["all_in_all"] else ""),
            "yes" if one["size"] - (0 if one["all_in_all"] else base) <= one["limit"] else "**no**",
        ]
        for target, one in result["sizes"].items()
    ]
    imports = [
        [
            package.replace("_", "-"),
            f"`{one['target']}`",
            f"{one['cpu']:.2f}",
            f"{one['limit']:.1f}",
            "yes" if one["cpu"] <= one["limit"] else "**no**",
        ]
        for package, one in result["imports"].items()
    ]
    return "\n\n".join(
        [
            markdown_table(["image", "MB", "on top of the base image", "asked for", "holds"], sizes),
            f"The base image has {base / 1e6:,.0f} MB. Importing a handler in its image, CPU seconds, the least of "
            "three cold processes:",
            markdown_table(["function", "image", "import, s", "asked for", "holds"], imports),
        ]
    )
