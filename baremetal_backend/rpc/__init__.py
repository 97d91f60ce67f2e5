# SPDX-License-Identifier: Apache-2.0
"""How the API calls a conductor, whether it is this process or another."""
