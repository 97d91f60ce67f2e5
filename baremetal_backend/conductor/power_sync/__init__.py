# SPDX-License-Identifier: Apache-2.0
"""Follows the power states of this conductor's nodes."""
