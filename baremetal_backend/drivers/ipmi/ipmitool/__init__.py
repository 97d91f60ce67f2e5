# SPDX-License-Identifier: Apache-2.0
"""Interfaces for BMCs that need the well-known tool, a process a command."""
