# SPDX-License-Identifier: Apache-2.0
"""Nodes with a management controller that speaks IPMI 2.0 over a network."""
