# SPDX-License-Identifier: Apache-2.0
"""Nova's database and the Bare Metal API, read for the core.

Adapters do I/O and translate foreign errors; they decide nothing.
"""
