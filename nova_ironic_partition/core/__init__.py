# SPDX-License-Identifier: Apache-2.0
"""Who owns which node: values and functions without I/O and without a clock.

Time is an argument (``now``, monotonic seconds). Nothing below this package
may import nova, oslo or an adapter.
"""
