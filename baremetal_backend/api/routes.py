# SPDX-License-Identifier: Apache-2.0
"""Every URL of the service, the version that brought it, and its handlers.

A URL is written once, without a trailing slash; it answers with one as well,
and without ``/v1`` in front (bookmark links look like that). A method that is
not here is answered with 405, HEAD included; OPTIONS tells what is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from baremetal_backend.api import (
    chassis,
    conductors,
    details,
    discovery,
    drivers,
    indicators,
    lanes,
    lock,
    maintenance,
    management,
    nodes,
    passthru,
    periodics,
    portgroups,
    ports,
    power,
    ramdisks,
    shards,
    states,
    traits,
    unsupported,
    vifs,
    volumes,
)
from baremetal_backend.api.call import Handler


@dataclass(frozen=True, slots=True)
class Route:
    """Handlers of one URL by method; before version ``since`` it is 404."""

    since: int
    methods: Mapping[str, Handler]


def _since(minor: int, **methods: Handler) -> Route:
    return Route(minor, methods)


_PASSTHRU: Mapping[str, Handler] = {
    "GET": passthru.get_method,
    "POST": passthru.post_method,
    "PUT": passthru.put_method,
    "PATCH": passthru.patch_method,
    "DELETE": passthru.delete_method,
}

ROUTES: Mapping[str, Route] = {
    "/": _since(1, GET=discovery.root),
    "/healthcheck": _since(1, GET=discovery.healthcheck),
    "/v1": _since(1, GET=discovery.v1),
    "/v1/nodes": _since(1, GET=nodes.listing, POST=nodes.create),
    "/v1/nodes/detail": _since(1, GET=nodes.detail),
    "/v1/nodes/{node}": _since(
        1, GET=nodes.show, PATCH=nodes.update, DELETE=nodes.delete
    ),
    "/v1/nodes/{node}/states": _since(1, GET=states.show),
    "/v1/nodes/{node}/states/power": _since(
        1, GET=power.of_node, PUT=states.power
    ),
    "/v1/nodes/{node}/states/provision": _since(1, PUT=states.provision),
    "/v1/nodes/{node}/states/console": _since(
        1, GET=states.show_console, PUT=states.set_console
    ),
    "/v1/nodes/{node}/states/raid": _since(12, PUT=states.set_raid),
    "/v1/nodes/{node}/states/boot_mode": _since(76, PUT=states.set_boot_mode),
    "/v1/nodes/{node}/states/secure_boot": _since(
        76, PUT=states.set_secure_boot
    ),
    "/v1/nodes/{node}/maintenance": _since(
        1, PUT=maintenance.begin, DELETE=maintenance.end
    ),
    "/v1/nodes/{node}/lock": _since(1, GET=lock.show, DELETE=lock.end),
    "/v1/nodes/{node}/validate": _since(1, GET=management.validate),
    "/v1/nodes/{node}/management/boot_device": _since(
        1, GET=management.boot_device, PUT=management.set_boot_device
    ),
    "/v1/nodes/{node}/management/boot_device/supported": _since(
        1, GET=management.supported_boot_devices
    ),
    "/v1/nodes/{node}/management/inject_nmi": _since(
        29, PUT=management.inject_nmi
    ),
    "/v1/nodes/{node}/vendor_passthru": _since(1, **_PASSTHRU),
    "/v1/nodes/{node}/vendor_passthru/methods": _since(
        1, GET=passthru.methods
    ),
    "/v1/nodes/{node}/vendor_passthru/{method}": _since(1, **_PASSTHRU),
    "/v1/nodes/{node}/vifs": _since(28, GET=vifs.listing, POST=vifs.attach),
    "/v1/nodes/{node}/vifs/{vif}": _since(28, DELETE=vifs.detach),
    "/v1/nodes/{node}/traits": _since(
        37, GET=traits.listing, PUT=traits.replace, DELETE=traits.clear
    ),
    "/v1/nodes/{node}/traits/{trait}": _since(
        37, PUT=traits.add, DELETE=traits.remove
    ),
    "/v1/nodes/{node}/history": _since(78, GET=details.history),
    "/v1/nodes/{node}/history/{event}": _since(78, GET=details.history_event),
    "/v1/nodes/{node}/inventory": _since(81, GET=details.inventory),
    "/v1/nodes/{node}/bios": _since(40, GET=details.bios),
    "/v1/nodes/{node}/bios/{setting}": _since(
        40, GET=unsupported.bios_setting
    ),
    "/v1/nodes/{node}/firmware": _since(86, GET=details.firmware),
    "/v1/nodes/{node}/children": _since(83, GET=nodes.children),
    "/v1/nodes/{node}/allocation": _since(52, GET=unsupported.allocation),
    "/v1/nodes/{node}/management/indicators": _since(
        63, GET=indicators.components
    ),
    "/v1/nodes/{node}/management/indicators/{component}": _since(
        63, GET=indicators.listing
    ),
    "/v1/nodes/{node}/management/indicators/{component}/{indicator}": _since(
        63, GET=indicators.show, PUT=indicators.switch
    ),
    "/v1/nodes/{node}/vmedia": _since(
        89,
        GET=unsupported.get_vmedia,
        POST=unsupported.attach_vmedia,
        DELETE=unsupported.detach_vmedia,
    ),
    "/v1/nodes/{node}/ports": _since(1, GET=ports.of_node),
    "/v1/nodes/{node}/portgroups": _since(24, GET=portgroups.of_node),
    "/v1/nodes/{node}/volume": _since(32, GET=volumes.index_of_node),
    "/v1/nodes/{node}/volume/connectors": _since(
        32, GET=volumes.connectors_of_node
    ),
    "/v1/nodes/{node}/volume/targets": _since(32, GET=volumes.targets_of_node),
    "/v1/ports": _since(
        1, GET=ports.handlers.listing, POST=ports.handlers.create
    ),
    "/v1/ports/detail": _since(1, GET=ports.handlers.detail),
    "/v1/ports/{ident}": _since(
        1,
        GET=ports.handlers.show,
        PATCH=ports.handlers.update,
        DELETE=ports.handlers.delete,
    ),
    "/v1/portgroups": _since(
        23, GET=portgroups.handlers.listing, POST=portgroups.handlers.create
    ),
    "/v1/portgroups/detail": _since(23, GET=portgroups.handlers.detail),
    "/v1/portgroups/{ident}": _since(
        23,
        GET=portgroups.handlers.show,
        PATCH=portgroups.handlers.update,
        DELETE=portgroups.handlers.delete,
    ),
    "/v1/portgroups/{ident}/ports": _since(24, GET=ports.of_portgroup),
    "/v1/volume": _since(32, GET=volumes.index),
    "/v1/volume/connectors": _since(
        32, GET=volumes.connectors.listing, POST=volumes.connectors.create
    ),
    "/v1/volume/connectors/{ident}": _since(
        32,
        GET=volumes.connectors.show,
        PATCH=volumes.connectors.update,
        DELETE=volumes.connectors.delete,
    ),
    "/v1/volume/targets": _since(
        32, GET=volumes.targets.listing, POST=volumes.targets.create
    ),
    "/v1/volume/targets/{ident}": _since(
        32,
        GET=volumes.targets.show,
        PATCH=volumes.targets.update,
        DELETE=volumes.targets.delete,
    ),
    "/v1/chassis": _since(
        1, GET=chassis.handlers.listing, POST=chassis.handlers.create
    ),
    "/v1/chassis/detail": _since(1, GET=chassis.handlers.detail),
    "/v1/chassis/{ident}": _since(
        1,
        GET=chassis.handlers.show,
        PATCH=chassis.handlers.update,
        DELETE=chassis.handlers.delete,
    ),
    "/v1/chassis/{ident}/nodes": _since(1, GET=chassis.nodes_of),
    "/v1/drivers": _since(1, GET=drivers.listing),
    "/v1/drivers/{driver}": _since(1, GET=drivers.show),
    "/v1/drivers/{driver}/properties": _since(1, GET=drivers.properties),
    "/v1/drivers/{driver}/vendor_passthru/methods": _since(
        1, GET=drivers.vendor_methods
    ),
    "/v1/conductors": _since(49, GET=conductors.listing),
    "/v1/conductors/{host}": _since(49, GET=conductors.show),
    "/v1/conductors/{host}/lanes": _since(49, GET=lanes.show),
    "/v1/conductors/{host}/periodics": _since(49, GET=periodics.listing),
    "/v1/conductors/{host}/power": _since(49, GET=power.of_conductor),
    "/v1/lookup": _since(22, GET=ramdisks.lookup),
    "/v1/heartbeat/{node}": _since(22, POST=ramdisks.heartbeat),
    "/v1/shards": _since(82, GET=shards.listing),
}

#: First words of URLs that clients know and this service does not offer yet.
NOT_OFFERED = frozenset(
    {
        "allocations",
        "continue_inspection",
        "deploy_templates",
        "events",
        "inspection_rules",
        "runbooks",
    }
)
