# SPDX-License-Identifier: Apache-2.0
"""What a person needs to talk to a lab: clouds.yaml and openrc."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from lab.keystone import REGION, Keystone
from lab.ports import LOOPBACK

CLOUD = "demo"


def write(state_dir: Path, keystone: Keystone) -> Path:
    """Write both files, and return the one to source in a shell."""
    clouds = state_dir / "clouds.yaml"
    _write_private(
        clouds,
        # JSON is YAML, so that no library is needed.
        json.dumps(
            {
                "clouds": {
                    CLOUD: {
                        "auth": keystone.admin_auth(),
                        "region_name": REGION,
                        "identity_api_version": 3,
                    }
                }
            },
            indent=2,
        )
        + "\n",
    )
    openrc = state_dir / "openrc"
    _write_private(
        openrc,
        f"export OS_CLIENT_CONFIG_FILE='{clouds}'\n"
        f"export OS_CLOUD={CLOUD}\n"
        f"export NO_PROXY={LOOPBACK} no_proxy={LOOPBACK}\n"
        f"export PATH='{Path(sys.executable).parent}':\"$PATH\"\n",
    )
    return openrc


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    os.chmod(path, 0o600)
    path.write_text(text)
