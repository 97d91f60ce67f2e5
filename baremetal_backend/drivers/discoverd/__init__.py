# SPDX-License-Identifier: Apache-2.0
"""Inspection of nodes from within, by a service of its own.

The service boots a ramdisk on the node, which reports to it what it found;
the service writes that into the node through the Bare Metal API. This side
asks it to begin, follows it, and says how it ended.
"""
