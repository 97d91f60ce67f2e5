# SPDX-License-Identifier: Apache-2.0
"""What a virtual machine's driver_info may say, and what it means."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from baremetal_backend.core.errors import HardwareRefused
from baremetal_backend.drivers.ssh import driver_info, key_file, keys
from baremetal_backend.drivers.ssh.ports import Host
from tests.backend.drivers.ssh.conftest import INFO


def made_key(path: Path, *options: str) -> str:
    """The text of a new private key."""
    subprocess.run(
        ["ssh-keygen", "-q", "-C", "", "-f", str(path), *options],
        check=True,
        timeout=60,
    )
    return path.read_text()


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("keys") / "key"
    return made_key(path, "-t", "ed25519", "-N", "")


def read(
    directory: str = "/nonexistent", **changes: Any
) -> driver_info.Access:
    info = {**INFO, **changes}
    return driver_info.read(
        {name: value for name, value in info.items() if value is not None},
        key_file.reader(directory),
    )


def refused(**changes: Any) -> str:
    with pytest.raises(HardwareRefused) as caught:
        read(**changes)
    return caught.value.message


def test_what_is_needed_is_enough():
    assert read() == driver_info.Access(
        Host(
            address="192.0.2.1",
            port=22,
            username="stack",
            password="very secret",
        ),
        machine="one",
        uri="qemu:///system",
    )


def test_every_field_that_is_read_is_described():
    read_fields = {
        name
        for name in driver_info.PROPERTIES
        if f'"{name}"' in Path(driver_info.__file__).read_text()
    }
    assert set(driver_info.PROPERTIES) == read_fields
    assert set(INFO) < read_fields


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("ssh_address", "is missing; give the host's IP or host name"),
        ("ssh_username", "is missing; give the user to log in as"),
        ("ssh_vm_name", "is missing; give the virtual machine's name or uuid"),
        ("ssh_virt_type", "is missing; choose one of: virsh"),
        (
            "ssh_password",
            "is missing; give one of: ssh_password, ssh_key_filename, "
            "ssh_key_contents",
        ),
    ],
)
def test_what_is_missing_is_named(field, wanted):
    assert refused(**{field: None}) == f"driver_info {field}: {wanted}."
    assert refused(**{field: ""}) == f"driver_info {field}: {wanted}."


@pytest.mark.parametrize("virt_type", ["vbox", "vmware", "parallels", "VIRSH"])
def test_other_programs_for_virtual_machines_are_refused(virt_type):
    assert refused(ssh_virt_type=virt_type) == (
        f"driver_info ssh_virt_type: '{virt_type}' is not offered; choose "
        "one of: virsh."
    )


def test_two_secrets_contradict_each_other(key):
    assert refused(ssh_key_contents=key) == (
        "driver_info ssh_password: contradicts ssh_key_contents; keep one of "
        "them."
    )
    said = refused(ssh_key_contents=key, ssh_key_filename="f")
    assert "contradicts ssh_key_filename and ssh_key_contents" in said


@pytest.mark.parametrize("port", [0, 65536, -1, "x", "", 2.5, True, "22;ls"])
def test_a_port_is_a_whole_number(port):
    assert "from 1 to 65535" in refused(ssh_port=port)


@pytest.mark.parametrize("port", [2222, "2222", " 2222 "])
def test_a_port_may_be_a_text(port):
    assert read(ssh_port=port).host.port == 2222


@pytest.mark.parametrize(
    ("address", "known_as", "where"),
    [
        ("host.example.org", "host.example.org", "host.example.org:22"),
        ("[2001:db8::1]", "2001:db8::1", "[2001:db8::1]:22"),
        ("2001:DB8::1", "2001:db8::1", "[2001:db8::1]:22"),
    ],
)
def test_a_host_has_a_name_for_people_and_one_for_known_hosts(
    address, known_as, where
):
    host = read(ssh_address=address).host
    assert (host.known_as, host.where) == (known_as, where)
    host = read(ssh_address=address, ssh_port=2222).host
    assert host.known_as == f"[{known_as}]:2222"


@pytest.mark.parametrize(
    "address",
    ["10.0.0.256", "host:22", "-oProxyCommand=x", "a b", "a;b", "$(a)", 7],
)
def test_what_is_no_address_is_refused(address):
    assert refused(ssh_address=address).startswith("driver_info ssh_address:")


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu:///session",
        "qemu+unix:///system",
        "qemu:///session?socket=/run/user/1000/libvirt/libvirt-sock",
    ],
)
def test_libvirt_on_the_host_itself_may_be_elsewhere(uri):
    assert read(ssh_libvirt_uri=uri).uri == uri


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+ext:///system?command=/tmp/x",
        "qemu:///system?command=/tmp/x",
        "qemu+ssh://other/system",
        "qemu://other/system",
        "qemu:///system?socket=/a&command=/tmp/x",
        "qemu:///system?socket=/a b",
        "qemu:///system?socket=$(touch /tmp/x)",
        "qemu:///system\n",
        "test:///default",
        "",
        7,
    ],
)
def test_an_address_that_leads_elsewhere_or_runs_a_program_is_refused(uri):
    assert "ssh_libvirt_uri" in refused(ssh_libvirt_uri=uri)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ssh_username", "a\nb"),
        ("ssh_username", ["stack"]),
        ("ssh_vm_name", "a\0b"),
        ("ssh_vm_name", 7),
        ("ssh_password", 1234),
    ],
)
def test_a_text_is_a_text(field, value):
    assert refused(**{field: value}).startswith(f"driver_info {field}:")


# -- keys ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ed25519"),
        ("-t", "ecdsa", "-b", "256"),
        ("-t", "ecdsa", "-b", "521"),
        ("-t", "rsa", "-b", "2048"),
        ("-t", "rsa", "-b", "2048", "-m", "PEM"),
    ],
    ids=lambda options: "-".join(options[1::2]),
)
def test_keys_as_ssh_keygen_makes_them_will_do(tmp_path, options):
    text = made_key(tmp_path / "key", "-N", "", *options)
    found = read(ssh_password=None, ssh_key_contents=text)
    assert (found.host.key, found.host.password) == (text, None)
    assert read(
        str(tmp_path), ssh_password=None, ssh_key_filename="key"
    ) == read(ssh_password=None, ssh_key_contents=text)


def test_keys_without_a_comment_will_do_whatever_their_length(tmp_path):
    """Half of them end where their padding would begin."""
    for number in range(12):
        path = tmp_path / str(number)
        text = made_key(path, "-N", "", "-t", "ecdsa", "-b", "256")
        public = path.with_suffix(".pub").read_text().split()[1]
        assert keys.private_key(text).get_base64() == public


def test_a_key_with_a_passphrase_is_refused(tmp_path):
    text = made_key(tmp_path / "key", "-t", "ed25519", "-N", "letmein")
    said = refused(ssh_password=None, ssh_key_contents=text)
    assert "is protected by a passphrase; give a key without one" in said


@pytest.mark.parametrize(
    "cut",
    [
        lambda text: text[:100],
        lambda text: text.replace("\n", " "),
        lambda text: text.replace("b3", "c4"),
        lambda text: "AAAA" + text[40:],
        lambda text: "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END",
    ],
)
def test_a_key_that_was_damaged_is_refused_and_not_shown(key, cut):
    text = cut(key)
    said = refused(ssh_password=None, ssh_key_contents=text)
    assert said.startswith(
        "driver_info ssh_key_contents: is not a private key of the kinds"
    )
    assert not any(line in said for line in key.splitlines() if line)


def test_a_key_file_is_read_in_its_directory_only(tmp_path, key):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rack").mkdir()
    (tmp_path / "mine" / "rack" / "key").write_text(key)
    (tmp_path / "other").write_text(key)
    (tmp_path / "mine" / "link").symlink_to(tmp_path / "other")
    directory = str(tmp_path / "mine")

    def said(name: Any) -> str:
        with pytest.raises(HardwareRefused) as caught:
            read(directory, ssh_password=None, ssh_key_filename=name)
        return caught.value.message

    good = read(directory, ssh_password=None, ssh_key_filename="rack/key")
    assert good.host.key == key
    path = str(tmp_path / "mine" / "rack" / "key")
    assert read(directory, ssh_password=None, ssh_key_filename=path) == good
    for name in ("../other", "link", str(tmp_path / "other"), "/etc/passwd"):
        assert "is not in the directory [ssh]key_directory" in said(name)
    assert said("none") == (
        "driver_info ssh_key_filename: can't read 'none': No such file or "
        "directory."
    )
    (tmp_path / "mine" / "text").write_text("no key")
    assert "'text' is not a private key" in said("text")
    (tmp_path / "mine" / "bytes").write_bytes(b"\xff\xfe")
    assert "'bytes' is not a text file" in said("bytes")


def test_a_host_key_is_taken_as_files_and_tools_write_it(tmp_path):
    made_key(tmp_path / "key", "-t", "ed25519", "-N", "")
    kind, encoded = (tmp_path / "key.pub").read_text().split()
    for line in (
        f"{kind} {encoded}",
        f"{kind} {encoded} root@host\n",
        f"192.0.2.1 {kind} {encoded}",
    ):
        found = read(ssh_host_key=line).host.host_key
        assert found is not None
        assert found[0] == "ssh-ed25519"
    for line in ("", "SHA256:abc", f"ssh-rsa {encoded}", encoded, 7, kind):
        assert "is not a host's public key" in refused(ssh_host_key=line)


def test_no_text_of_an_access_shows_a_secret(key):
    shown = repr(read()) + repr(read(ssh_password=None, ssh_key_contents=key))
    assert "very secret" not in shown
    assert "PRIVATE" not in shown
