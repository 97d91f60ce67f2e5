# SPDX-License-Identifier: Apache-2.0
"""Management controllers for tests, demos and benchmarks, on loopback.

``farm`` starts OpenIPMI's ``ipmi_sim`` for any number of them, ``proxy``
spoils the network between, ``scripted`` is a controller for what no
simulator does, ``witness`` asks with ``ipmitool``.
"""
