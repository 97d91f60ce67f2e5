# SPDX-License-Identifier: Apache-2.0
"""Share the nodes of one conductor group between nova-compute services.

The package is a virt driver plugin for nova-compute. Its rules live in
:mod:`nova_ironic_partition.core`, which knows neither nova nor HTTP; the
driver is :mod:`nova_ironic_partition.driver`.
"""
