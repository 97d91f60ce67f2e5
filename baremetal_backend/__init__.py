# SPDX-License-Identifier: Apache-2.0
"""A lightweight service that speaks the Bare Metal API.

Layers, from the inside out: ``core`` (pure decisions), ``storage`` and
``drivers`` (effects), ``conductor`` (who does what, when), ``rpc`` (how the
conductor is called), ``api`` (HTTP). A module imports only what is further
inside. Nothing here knows Nova.
"""
