# SPDX-License-Identifier: Apache-2.0
"""Who does what to a node, when, and how it ends."""
