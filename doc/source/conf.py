# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration. Builds without a network and without git remotes."""

import configparser
import logging
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "doc" / "ext"))
# Documentation is built from this checkout, whatever else is installed.
sys.path.insert(0, str(ROOT))

# pbr asks git for the version; a documentation build should not need it.
_metadata = configparser.ConfigParser()
_metadata.read(ROOT / "setup.cfg")

project = "nova-ironic-partition"
copyright = "nova-ironic-partition developers"
version = release = _metadata["metadata"]["version"]

extensions = [
    "openstackdocstheme",
    "oslo_config.sphinxext",
    "oslo_config.sphinxconfiggen",
    "backend_pages",
]

html_theme = "openstackdocs"
html_theme_options = {
    # The theme would report each reader to the OpenStack Foundation.
    "analytics_tracking_code": "",
    "display_badge": False,
    "root_title": project,
    "show_other_versions": False,
}
# The theme's pages name another license than ours.
templates_path = ["_templates"]
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_repo_name = ""

exclude_patterns = []
nitpicky = True
pygments_style = "native"

_GENERATED = "_generated"
_GENERATOR = ROOT / "etc" / "oslo-config-generator"
config_generator_config_file = [
    (str(_GENERATOR / "plugin.conf"), f"{_GENERATED}/nova-ironic-partition"),
    (
        str(_GENERATOR / "baremetal-backend.conf"),
        f"{_GENERATED}/baremetal-backend",
    ),
]
# The generator's own output_file is relative to the root of the checkout.
os.makedirs(Path(__file__).parent / _GENERATED, exist_ok=True)


class _NoGit(logging.Filter):
    """Silence the theme about a commit that it cannot find.

    It names the commit in a page's footer; in a source archive, or in a
    checkout that belongs to another user, there is none to be named, which
    is no reason to fail.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return "cannot get gitsha" not in record.getMessage()


logging.getLogger("sphinx.openstackdocstheme.ext").addFilter(_NoGit())
