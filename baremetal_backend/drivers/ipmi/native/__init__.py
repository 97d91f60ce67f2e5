# SPDX-License-Identifier: Apache-2.0
"""The native client: RMCP+ sessions with all controllers, in one thread."""
