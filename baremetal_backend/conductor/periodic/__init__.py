# SPDX-License-Identifier: Apache-2.0
"""Periodic tasks: collected once, run on time, never twice at a time."""
