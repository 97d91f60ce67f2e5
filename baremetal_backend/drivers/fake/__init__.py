# SPDX-License-Identifier: Apache-2.0
"""Hardware that does not exist, for labs, tests and demonstrations."""
