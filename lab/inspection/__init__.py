# SPDX-License-Identifier: Apache-2.0
"""Inspection services for tests, demos and benchmarks, on loopback.

``inspector`` runs the real ironic-inspector, ``ramdisk_reports`` plays the
machines that report to it.
"""
