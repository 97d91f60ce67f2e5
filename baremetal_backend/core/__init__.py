# SPDX-License-Identifier: Apache-2.0
"""Pure decisions: states, errors, records. No clock, no I/O, no oslo."""
