# SPDX-License-Identifier: Apache-2.0
"""How hardware is driven. Knows neither the API nor how it is called."""
