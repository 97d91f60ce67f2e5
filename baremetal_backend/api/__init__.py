# SPDX-License-Identifier: Apache-2.0
"""The Bare Metal API, version 1, over HTTP.

``routes`` is the table of contents. Reads go to ``storage``, everything that
changes something goes through ``rpc.interface.Conductor``.
"""
