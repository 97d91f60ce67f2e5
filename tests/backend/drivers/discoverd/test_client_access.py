# SPDX-License-Identifier: Apache-2.0
"""Who the client says it is, whom it trusts, and that it keeps secrets."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from baremetal_backend.drivers.discoverd.errors import NoAnswer
from lab.inspection.scripted import (
    Answer,
    ScriptedIdentity,
    ScriptedInspection,
    html,
    refusal,
)
from tests.backend.drivers.discoverd.over_http import client_of

NODE = "11111111-2222-3333-4444-555555555555"
SECRET = "Very-Secret-Word"
TOKEN = "Token-Of-The-Conductor"


@pytest.fixture
def service():
    with ScriptedInspection() as scripted:
        scripted.add(NODE)
        yield scripted


def denied(client) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        client.status(NODE)
    assert not caught.value.may_have_begun
    return caught.value


class TestBasic:
    def test_name_and_password_open_the_door(self, service):
        service.account = ("inspector", SECRET)
        with client_of(
            service,
            auth_type="http_basic",
            auth_options={"username": "inspector", "password": SECRET},
        ) as client:
            client.check()
            assert client.status(NODE) is not None

    def test_a_wrong_password_is_no_access_and_no_secret(self, service):
        service.account = ("inspector", "another")
        with client_of(
            service,
            auth_type="http_basic",
            auth_options={"username": "inspector", "password": SECRET},
        ) as client:
            error = denied(client)
        assert error.trouble == "access"
        assert "[discoverd]auth_type" in str(error)
        assert SECRET not in str(error)

    @pytest.mark.parametrize(
        "answer", [html(401), html(403), refusal(403, "Policy says no")]
    )
    def test_any_401_or_403_is_about_access(self, service, answer):
        service.say(f"GET /v1/introspection/{NODE}", answer)
        with client_of(service) as client:
            assert denied(client).trouble == "access"


class TestKeystone:
    @pytest.fixture
    def identity(self):
        tokens = (f"{TOKEN}-{number}" for number in range(10))
        with ScriptedIdentity("ironic", SECRET, tokens) as scripted:
            yield scripted

    def client(self, service, identity, url=None, **changes):
        options = {
            "auth_url": identity.url,
            "username": "ironic",
            "password": SECRET,
            "user_domain_id": "default",
            "project_name": "service",
            "project_domain_id": "default",
        }
        return client_of(
            service,
            service_url=url or service.url,
            auth_type="password",
            auth_options={**options, **changes},
        )

    def test_a_token_is_fetched_once_and_shown(self, service, identity):
        service.token = f"{TOKEN}-0"
        with self.client(service, identity) as client:
            client.check()
            client.status(NODE)
        assert len(identity.asked("POST", "/v3/auth/tokens")) == 1

    def test_a_token_that_is_valid_no_more_is_replaced(
        self, service, identity
    ):
        service.token = f"{TOKEN}-1"
        with self.client(service, identity) as client:
            assert client.status(NODE) is not None
        assert len(identity.asked("POST", "/v3/auth/tokens")) == 2

    def test_a_start_is_sent_again_with_the_new_token(self, service, identity):
        service.token = f"{TOKEN}-1"
        with self.client(service, identity) as client:
            client.start("another")
        assert "another" in service.records

    def test_a_token_that_is_never_good_is_no_access(self, service, identity):
        service.token = "something else"
        with self.client(service, identity) as client:
            error = denied(client)
        assert error.trouble == "access"
        assert "let this service in" in str(error)

    def test_a_wrong_password_is_no_access(self, service, identity):
        with self.client(service, identity, password="wrong") as client:
            error = denied(client)
        assert error.trouble == "access"
        assert str(error).startswith(
            f"The identity service at {identity.url} gives no token"
        )

    def test_no_keystone_is_unreachable(self, service, identity):
        identity.stop()
        with self.client(service, identity) as client:
            error = denied(client)
        assert error.trouble == "unreachable"
        assert str(error) == (
            f"The identity service at {identity.root} can't be reached: "
            "Connection refused."
        )

    def test_a_keystone_that_fails_is_an_error(self, service, identity):
        identity.say("POST /v3/auth/tokens", Answer(503))
        with self.client(service, identity) as client:
            with pytest.raises(NoAnswer) as caught:
                client.start("another")
            assert caught.value.trouble == "error"
            assert not caught.value.may_have_begun

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(201, b"rubbish", {"X-Subject-Token": TOKEN}),
            Answer(201, {"token": {}}),
            Answer(200, b"<html>"),
            Answer(300, [1]),
        ],
    )
    def test_a_keystone_that_talks_rubbish_never_crashes(
        self, service, identity, answer
    ):
        identity.say("POST /v3/auth/tokens", *[answer] * 3)
        with self.client(service, identity) as client:
            error = denied(client)
        assert error.trouble in ("access", "rubbish", "error")

    def test_both_may_be_at_one_host(self, service, identity):
        # The service at the root of a host, keystone somewhere below.
        service.token = f"{TOKEN}-0"
        token = identity.usual
        usual = service.usual

        def both(request, body):
            below = request.path.startswith("/identity")
            return token(request, body) if below else usual(request, body)

        service.usual = both
        with self.client(
            service,
            identity,
            url=service.root,
            auth_url=f"{service.root}/identity/v3",
        ) as client:
            assert client.status(NODE) is not None

    def test_no_secret_is_logged_or_told(self, service, identity, caplog):
        caplog.set_level(logging.DEBUG)
        service.token = "something else"
        with self.client(service, identity) as client:
            errors = [denied(client)]
            service.token = None
            client.start("another")
            client.status(NODE)
            identity.stop()
            service.token = "something else"
            errors.append(denied(client))
        told = [
            *caplog.messages,
            *(str(one) for one in errors),
            *(repr(one) for one in errors),
            repr(client._settings),
        ]
        assert len(told) > 5
        for secret in (SECRET, TOKEN):
            assert [one for one in told if secret in one] == []


class TestAddresses:
    def test_a_password_in_the_address_is_not_shown(self, service):
        address = service.url.replace("//", f"//inspector:{SECRET}@")
        service.account = ("inspector", SECRET)
        with client_of(service, service_url=address) as client:
            assert client.status(NODE) is not None
            service.account = ("inspector", "another")
            error = denied(client)
            service.stop()
            for shown in (str(error), str(denied(client))):
                assert service.url in shown
                assert SECRET not in shown


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path):
        """One that signed itself, for the loopback address."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        address = ipaddress.ip_address("127.0.0.1")
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(address)]), False
            )
            .add_extension(x509.BasicConstraints(True, None), True)
            .sign(key, hashes.SHA256())
        )
        files = tmp_path / "lab.crt", tmp_path / "lab.key"
        pem = serialization.Encoding.PEM
        files[0].write_bytes(made.public_bytes(pem))
        files[1].write_bytes(
            key.private_bytes(
                pem,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    @pytest.fixture
    def service(self, certificate):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
        # A client's certificate is asked for; who has none goes without.
        tls.load_verify_locations(certificate[0])
        tls.verify_mode = ssl.CERT_OPTIONAL
        with ScriptedInspection(tls=tls) as scripted:
            scripted.add(NODE)
            yield scripted

    def test_a_stranger_is_not_trusted(self, service):
        with client_of(service) as client:
            error = denied(client)
        assert error.trouble == "unreachable"
        assert "certificate verify failed" in str(error)

    def test_cafile_says_whom_to_trust(self, service, certificate):
        with client_of(service, cafile=str(certificate[0])) as client:
            assert client.status(NODE) is not None

    @pytest.mark.filterwarnings("ignore:Unverified HTTPS")
    def test_insecure_trusts_anybody(self, service):
        with client_of(service, insecure=True) as client:
            assert client.status(NODE) is not None

    def test_certfile_and_keyfile_are_shown(self, service, certificate):
        service._server.socket.context.verify_mode = ssl.CERT_REQUIRED
        trusting = {"cafile": str(certificate[0])}
        with client_of(service, **trusting) as client:
            assert denied(client).trouble == "unreachable"
        with client_of(
            service,
            certfile=str(certificate[0]),
            keyfile=str(certificate[1]),
            **trusting,
        ) as client:
            assert client.status(NODE) is not None
