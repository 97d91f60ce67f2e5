# SPDX-License-Identifier: Apache-2.0
"""A private OpenStack on the loopback interface, from real services.

For the demo and for the tests that need processes. Everything that a
cloud writes is below one state directory; every process that it starts is
stopped again. Not installed: it belongs to a checkout, beside the tests.
"""
