# SPDX-License-Identifier: Apache-2.0
"""Write configuration files of OpenStack services.

Pure text; knows no option of any service.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Options = Mapping[str, object]
Sections = Mapping[str, Options]


def render(sections: Sections) -> str:
    """Return the text of a file; options that are None are left out.

    A sequence becomes a comma-separated value, a bool "true" or "false".
    """
    lines: list[str] = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [
            f"{key} = {_value(value)}"
            for key, value in options.items()
            if value is not None
        ]
        lines.append("")
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    # oslo.config substitutes $name; passwords and URLs must survive it.
    return str(value).replace("$", "$$")


def merge(*layers: Sections) -> dict[str, dict[str, object]]:
    """Lay sections over each other, option by option; the last one wins."""
    merged: dict[str, dict[str, object]] = {}
    for layer in layers:
        for section, options in layer.items():
            merged.setdefault(section, {}).update(options)
    return merged


def write(path: Path, sections: Sections) -> Path:
    """Write a file, readable by its owner only, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(render(sections))
    temporary.replace(path)
    return path
