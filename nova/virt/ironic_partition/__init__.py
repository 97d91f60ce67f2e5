# SPDX-License-Identifier: Apache-2.0
"""Where nova looks for ``compute_driver = ironic_partition...``.

Nova prefixes the option's value with ``nova.virt.``; the driver itself lives
in :mod:`nova_ironic_partition.driver`.
"""

from nova_ironic_partition.driver import IronicPartitionDriver

__all__ = ("IronicPartitionDriver",)
