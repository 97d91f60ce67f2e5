# SPDX-License-Identifier: Apache-2.0
"""Virtual machines as nodes: their host is reached over SSH, and runs virsh.

For trying things out where there is no bare metal.
"""
