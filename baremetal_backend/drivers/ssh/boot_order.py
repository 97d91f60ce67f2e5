# SPDX-License-Identifier: Apache-2.0
"""From which devices a virtual machine boots: libvirt's domain XML.

A definition names kinds of devices (``<os><boot dev="hd"/>``) or numbers
devices one by one (``<disk><boot order="1"/>``), never both. A device that is
asked for comes first, the others after it as they were, like with a
machine's firmware; for that a numbered order becomes one of kinds. What was
there before is kept as a value that JSON can hold, so that it can be put
back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lxml import etree

#: What a client asks for, and libvirt's word for it.
DEVICES: Final[Mapping[str, str]] = {
    "pxe": "network",
    "disk": "hd",
    "cdrom": "cdrom",
}
_ASKED = {libvirt: device for device, libvirt in DEVICES.items()}

#: {"kinds": ["hd", ...], "numbered": [[tag, place, attributes], ...]}.
BootOrder = dict[str, Any]


def order(definition: bytes) -> BootOrder:
    """What a definition says. Errors: ValueError."""
    root = _parsed(definition)
    return {
        "kinds": [one.get("dev") for one in root.findall("./os/boot")],
        "numbered": [
            [device.tag, place, dict(boot.attrib)]
            for device, place in _devices(root)
            if (boot := device.find("boot")) is not None
        ],
    }


def first(definition: bytes) -> str | None:
    """The device that comes first, in clients' words; None: another.

    Errors: ValueError.
    """
    kinds = _kinds(_parsed(definition))
    return _ASKED.get(kinds[0]) if kinds else None


def with_first(definition: bytes, device: str) -> bytes:
    """The same, but booting from this device first. Errors: ValueError."""
    wanted, kinds = DEVICES[device], _kinds(_parsed(definition))
    if kinds[:1] == [wanted]:
        return definition
    rest = [one for one in kinds if one != wanted]
    return with_order(definition, {"kinds": [wanted, *rest], "numbered": []})


def with_order(definition: bytes, wanted: BootOrder) -> bytes:
    """The same, but with this order. Errors: ValueError.

    A numbered device that is there no more is left out.
    """
    from lxml import etree

    if order(definition) == wanted:
        return definition
    root = _parsed(definition)
    system = root.find("os")
    if system is None:
        raise ValueError("it has no <os>")
    for boot in system.findall("boot"):
        system.remove(boot)
    for kind in wanted["kinds"]:
        etree.SubElement(system, "boot", {"dev": kind})
    numbers = {(tag, place): found for tag, place, found in wanted["numbered"]}
    for device, place in _devices(root):
        for boot in device.findall("boot"):
            device.remove(boot)
        if (device.tag, place) in numbers:
            etree.SubElement(device, "boot", numbers[device.tag, place])
    written: bytes = etree.tostring(root, encoding="utf-8")
    return written


def _parsed(definition: bytes) -> etree._Element:
    # Here, since sites without such nodes need not have it.
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True
    )
    try:
        root = etree.fromstring(definition, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"it is not sound XML: {error}") from None
    if root.getroottree().docinfo.doctype:
        raise ValueError("it declares a document type")
    if root.tag != "domain":
        raise ValueError(f"it is no <domain>, but <{root.tag}>")
    return root


def _devices(
    root: etree._Element,
) -> Iterator[tuple[etree._Element, int]]:
    """Each device, and its place among those with the same tag."""
    places: dict[str, int] = {}
    for device in root.iterfind("./devices/*"):
        place = places.setdefault(device.tag, 0)
        places[device.tag] += 1
        yield device, place


def _kinds(root: etree._Element) -> list[str]:
    """Kinds of devices in the order in which they are booted from."""
    kinds = [str(one.get("dev")) for one in root.findall("./os/boot")]
    if not kinds:
        numbered = [
            (int(boot.get("order", "0")), _kind(device))
            for device, _place in _devices(root)
            if (boot := device.find("boot")) is not None
        ]
        kinds = [kind for _number, kind in sorted(numbered) if kind]
    return list(dict.fromkeys(kinds))


def _kind(device: etree._Element) -> str:
    """libvirt's word for devices like this; empty: it has none."""
    if device.tag in ("interface", "hostdev"):
        return "network"
    if device.tag != "disk":
        return ""
    return {"cdrom": "cdrom", "floppy": "fd"}.get(
        device.get("device", "disk"), "hd"
    )


__all__ = [
    "DEVICES",
    "BootOrder",
    "first",
    "order",
    "with_first",
    "with_order",
]
