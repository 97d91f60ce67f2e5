# SPDX-License-Identifier: Apache-2.0
"""One nova-compute of a lab, with a configuration file of its own."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab import conf_files
from lab.nova import Nova
from lab.programs import program

PLUGIN_DRIVER = "ironic_partition.IronicPartitionDriver"
NOVAS_DRIVER = "ironic.IronicDriver"
PLUGIN_PROGRAM = "nova-compute-ironic-partition"
NOVAS_PROGRAM = "nova-compute"


@dataclass(frozen=True)
class Flavour:
    """Which program runs, and with which virt driver."""

    program: str = PLUGIN_PROGRAM
    driver: str = PLUGIN_DRIVER


PLUGIN = Flavour()
PLUGIN_IN_STOCK_NOVA = Flavour(program=NOVAS_PROGRAM)
NOVAS_OWN = Flavour(program=NOVAS_PROGRAM, driver=NOVAS_DRIVER)


@dataclass(frozen=True)
class Partition:
    """What the configuration file of a compute says of its partition."""

    key: str | None
    peers: tuple[str, ...] | None


class Compute:
    """A nova-compute process that an experiment can treat badly."""

    def __init__(
        self,
        nova: Nova,
        host: str,
        baremetal_url: str,
        partition: Partition,
        *,
        flavour: Flavour = PLUGIN,
        extra: conf_files.Sections | None = None,
    ) -> None:
        self.host = host
        self.conf = nova.directory / f"{host}.conf"
        self.partition = partition
        self._nova = nova
        self._flavour = flavour
        self._baremetal_url = baremetal_url
        self._extra = extra or {}
        self.process = nova.reporting_process(
            f"nova-compute-{host}",
            host,
            "nova-compute",
            [
                program(flavour.program),
                f"--config-file={nova.conf}",
                f"--config-file={self.conf}",
            ],
        )
        self.write_config()

    def write_config(
        self,
        peer_list: Sequence[str] | None = None,
        partition_key: str | None = None,
        **options: Any,
    ) -> None:
        """Write its file anew; nothing is reloaded by that.

        :param peer_list: the new peers; None keeps the present ones
        :param partition_key: the new key; None keeps the present one
        :param options: further options of the group [ironic]
        """
        if peer_list is not None:
            self.partition = replace(self.partition, peers=tuple(peer_list))
        if partition_key is not None:
            self.partition = replace(self.partition, key=partition_key)
        state_path = self._nova.directory / f"state-{self.host}"
        state_path.mkdir(parents=True, exist_ok=True)
        sections = {
            "DEFAULT": {
                "host": self.host,
                "state_path": state_path,
                "compute_driver": self._flavour.driver,
            },
            "ironic": {
                "auth_type": "none",
                "endpoint_override": self._baremetal_url,
                "api_max_retries": 5,
                "api_retry_interval": 1,
                "partition_key": self.partition.key,
                "peer_list": self.partition.peers,
                **options,
            },
        }
        conf_files.write(self.conf, conf_files.merge(sections, self._extra))

    def write_text(self, text: str) -> None:
        """Write any text into its file, also text that is not valid."""
        self.conf.write_text(text)

    def start(self) -> None:
        """Start the process; it first removes nothing of its last life."""
        self.process.start()

    def wait_ready(self, seconds: float = 90.0) -> None:
        """Wait for its first report since the last start."""
        self.process.wait_ready(seconds)

    def sighup(self) -> None:
        """Ask it to read its configuration again."""
        self.process.signal(signal.SIGHUP)

    def terminate(self) -> None:
        """SIGTERM, as an operator stops a service; does not wait."""
        self.process.signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()

    def log_text(self) -> str:
        """All that it has logged, over all of its starts."""
        return self.process.log_text()

    def log_since(self, mark: int) -> str:
        """What it has logged since ``len(log_text())`` was mark."""
        return self.log_text()[mark:]

    @property
    def log_path(self) -> Path:
        """The log file."""
        return self.process.log
