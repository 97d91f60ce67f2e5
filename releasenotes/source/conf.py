# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration of the release notes. reno reads git tags."""

project = "nova-ironic-partition"
copyright = "nova-ironic-partition developers"

extensions = ["openstackdocstheme", "reno.sphinxext"]

html_theme = "openstackdocs"
html_theme_options = {
    # The theme would report each reader to the OpenStack Foundation.
    "analytics_tracking_code": "",
    "display_badge": False,
    "root_title": project,
    "show_other_versions": False,
}
# The theme's pages name another license than ours.
templates_path = ["../../doc/source/_templates"]
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_repo_name = ""

exclude_patterns = []
pygments_style = "native"
