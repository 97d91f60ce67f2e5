# SPDX-License-Identifier: Apache-2.0
"""A hardware type for servers in a shelf that has one controller.

The example of the guide "Write a hardware type". The controller is a small
HTTP service; a node is a slot of its shelf.
"""
