"""TLS, client certificates, passwords and headers, from the web configuration file of Prometheus' exporters."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest
from cryptography import x509

from semscheck.exporter.passwords import MAX_WAITING, Passwords
from semscheck.exporter.service import Exporter
from semscheck.exporter.settings import SettingsError
from semscheck.exporter.web_config import read_web_config
from tests.exporter.stand import Client, Play, refused, until, write_config
from tests.rig.certs import Authority, Issued

pytestmark = pytest.mark.slow  # waits for times to pass

NAME = "exporter.example.test"
HASH = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
AUTHORITY = Authority.root("Monitoring Test Root")


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def write_web(directory: Path, more: str = "", *, issued: Issued | None = None, tls: str = "") -> Path:
    """web.yml with a certificate, and the exporter's configuration that names it."""
    issued = issued or AUTHORITY.issue(NAME)
    (directory / "exporter.pem").write_bytes(issued.chain_pem)
    (directory / "exporter.key").write_bytes(issued.key_pem)
    AUTHORITY.write(directory, "clients")
    (directory / "web.yml").write_text(
        f"tls_server_config:\n  cert_file: exporter.pem\n  key_file: exporter.key\n{tls}\n{more}\n"
    )
    return write_config(directory, web='config_file = "web.yml"')


def trusting(client: Issued | None = None, directory: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    if client is not None and directory is not None:
        files = client.write(directory, "prometheus")
        context.load_cert_chain(files.bundle)
    return context


class Serving:
    def __init__(self, config: Path, context: ssl.SSLContext | None) -> None:
        self.play = Play()
        self.exporter = Exporter(config, self.play.doors())
        self._context = context

    async def __aenter__(self) -> tuple[Exporter, Client, Play]:
        await self.exporter.__aenter__()
        at = self.exporter.addresses[0]
        return self.exporter, Client(at.host, at.port, self._context, NAME), self.play

    async def __aexit__(self, *_: object) -> None:
        await self.exporter.__aexit__(None, None, None)


async def answered(client: Client) -> bool:
    """Whether there is an answer. In TLS 1.3 a client is refused after it has sent its request."""
    try:
        return (await client.get("/-/healthy")).status != 0
    except (ssl.SSLError, ConnectionError):
        return False


async def test_tls(tmp_path: Path) -> None:
    async with Serving(write_web(tmp_path), trusting()) as (exporter, client, _):
        assert exporter.scheme == "https"
        assert (await client.probe()).value("semscheck_up") == 1
        assert not await answered(Client(client.host, client.port))
        assert (await client.get("/-/healthy")).status == 200


async def test_the_least_version_is_kept(tmp_path: Path) -> None:
    old = trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with Serving(write_web(tmp_path, tls="  min_version: TLS13"), old) as (_, client, _play):
        assert not await answered(client)
    async with Serving(write_web(tmp_path, tls="  min_version: TLS12"), old) as (_, client, _play):
        assert (await client.get("/-/healthy")).status == 200


async def test_a_client_certificate_is_needed_and_must_be_of_our_authority(tmp_path: Path) -> None:
    tls = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem"
    known = trusting(AUTHORITY.issue("prometheus.example.test", eku=("clientAuth",)), tmp_path)
    config = write_web(tmp_path, tls=tls)
    stranger_directory = tmp_path / "stranger"
    stranger_directory.mkdir()
    stranger = trusting(
        Authority.root("Other").issue("p.example.test", eku=("clientAuth",)), stranger_directory
    )
    async with Serving(config, known) as (_, client, _play):
        assert (await client.get("/-/healthy")).status == 200
        for context in (trusting(), stranger):
            assert not await answered(Client(client.host, client.port, context, NAME))
        assert (await client.get("/-/healthy")).status == 200


async def test_only_the_names_that_are_allowed(tmp_path: Path) -> None:
    tls = (
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem\n"
        "  client_allowed_sans: [prometheus.example.test]"
    )
    config = write_web(tmp_path, tls=tls)
    contexts = []
    for name in ("prometheus.example.test", "grafana.example.test"):
        directory = tmp_path / name
        directory.mkdir()
        contexts.append(trusting(AUTHORITY.issue(name, eku=("clientAuth",)), directory))
    async with Serving(config, contexts[0]) as (exporter, client, _):
        assert (await client.get("/-/healthy")).status == 200
        assert not await answered(Client(client.host, client.port, contexts[1], NAME))
        assert refused(exporter, "certificate") == 1


async def test_passwords(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  prometheus: {HASH}\n")
    async with Serving(write_config(tmp_path, web='config_file = "web.yml"'), None) as (_, client, play):
        right = await client.get("/probe?target=keys", basic("prometheus", "correct horse"))
        refused = [
            await client.get(path, headers)
            for path, headers in (
                ("/probe?target=keys", {}),
                ("/", {}),
                ("/-/healthy", {}),
                ("/metrics", basic("prometheus", "wrong")),
                ("/metrics", basic("nobody", "correct horse")),
                ("/metrics", basic("prometheus", "")),
                ("/metrics", basic("", "correct horse")),
                ("/metrics", basic("prometheus", "correct horse\0")),
                ("/metrics", basic("prometheus", "x" * 5000)),
                ("/metrics", {"Authorization": "Bearer abc"}),
                ("/metrics", {"Authorization": "Basic %%%"}),
                ("/metrics", {"Authorization": "Basic"}),
            )
        ]
    assert right.status == 200
    assert [answer.status for answer in refused] == [401] * len(refused)
    assert refused[0].headers["www-authenticate"].startswith("Basic realm=")
    assert len(play.runs) == 1


async def test_a_right_password_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    real: Callable[[bytes, bytes], bool] = bcrypt.checkpw

    def count(password: bytes, hashed: bytes) -> bool:
        compared.append(password)
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", count)
    passwords = Passwords({"prometheus": HASH.encode()})
    header = basic("prometheus", "correct horse")["Authorization"].encode()
    assert [await passwords.allow(header) for _ in range(5)] == [True] * 5
    assert len(compared) == 1
    wrong = basic("prometheus", "wrong")["Authorization"].encode()
    unknown = basic("nobody", "correct horse")["Authorization"].encode()
    assert [await passwords.allow(wrong), await passwords.allow(wrong), await passwords.allow(unknown)] == [
        False
    ] * 3
    assert len(compared) == 4  # a wrong one each time, and an unknown name takes as long


async def test_a_flood_of_passwords_is_turned_away(tmp_path: Path) -> None:
    slow = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(8)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  prometheus: {slow}\n")
    async with Serving(write_config(tmp_path, web='config_file = "web.yml"'), None) as (_, client, _play):
        good = basic("prometheus", "correct horse")
        assert (await client.get("/-/healthy", good)).status == 200
        tries = [
            asyncio.create_task(client.get("/-/healthy", basic("prometheus", f"guess {number}")))
            for number in range(3 * MAX_WAITING)
        ]
        meanwhile = await client.get("/-/healthy", good)
        statuses = [(await attempt).status for attempt in tries]
    assert meanwhile.status == 200
    assert set(statuses) == {401, 503}


async def test_headers_that_the_administrator_wants(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text(
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: sandbox\n"
    )
    async with Serving(write_config(tmp_path, web='config_file = "web.yml"'), None) as (_, client, _play):
        answer = await client.get("/")
    assert answer.headers["x-frame-options"] == "deny"
    assert answer.headers["content-security-policy"] == "sandbox"


# --- files that change -------------------------------------------------------------------------------------


async def _serial(client: Client) -> int:
    _, writer = await client.connect()
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(der).serial_number


async def test_a_renewed_certificate_is_used_without_being_told(tmp_path: Path) -> None:
    async with Serving(write_web(tmp_path), trusting()) as (_, client, play):
        first = await _serial(client)
        write_web(tmp_path)
        await until(lambda: any("in use" in words for words in play.said))
        assert await _serial(client) != first
        assert (await client.probe()).status == 200


async def test_a_certificate_that_disappears_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    async with Serving(write_web(tmp_path), trusting()) as (exporter, client, play):
        first = await _serial(client)
        (tmp_path / "exporter.pem").unlink()
        await until(
            lambda: not exporter.metrics.value("semscheck_exporter_web_config_last_reload_successful")
        )
        assert await _serial(client) == first
        metrics = await client.get("/metrics")
        assert metrics.value("semscheck_exporter_web_config_last_reload_successful") == 0
        assert "exporter.pem, exporter.key: no such file" in play.said[-1]
        write_web(tmp_path)
        await until(lambda: exporter.metrics.value("semscheck_exporter_web_config_last_reload_successful"))
        assert await _serial(client) != first


@pytest.mark.parametrize("content", [b"", b"not PEM", AUTHORITY.issue(NAME).chain_pem])
async def test_a_certificate_that_breaks_or_fits_no_key_is_not_used(tmp_path: Path, content: bytes) -> None:
    async with Serving(write_web(tmp_path), trusting()) as (exporter, client, _):
        first = await _serial(client)
        (tmp_path / "exporter.pem").write_bytes(content)
        await until(
            lambda: not exporter.metrics.value("semscheck_exporter_web_config_last_reload_successful")
        )
        assert await _serial(client) == first


async def test_a_password_that_is_taken_away_is_refused_within_seconds(tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users:\n  prometheus: {HASH}\n  old: {HASH}\n")
    async with Serving(write_config(tmp_path, web='config_file = "web.yml"'), None) as (_, client, play):
        assert (await client.get("/-/healthy", basic("old", "correct horse"))).status == 200
        web.write_text(f"basic_auth_users:\n  prometheus: {HASH}\n")
        await until(lambda: any("in use" in words for words in play.said))
        assert (await client.get("/-/healthy", basic("old", "correct horse"))).status == 401
        assert (await client.get("/-/healthy", basic("prometheus", "correct horse"))).status == 200


async def test_tls_cannot_be_switched_off_by_a_reload(tmp_path: Path) -> None:
    async with Serving(write_web(tmp_path), trusting()) as (exporter, client, _):
        (tmp_path / "web.yml").write_text("basic_auth_users: {}\n")
        await until(
            lambda: not exporter.metrics.value("semscheck_exporter_web_config_last_reload_successful")
        )
        assert (await client.get("/-/healthy")).status == 200
        assert "restart" in (await exporter.reload() or "")


# --- what the file may say ---------------------------------------------------------------------------------

_TLS = "tls_server_config:\n  cert_file: exporter.pem\n  key_file: exporter.key\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "not YAML"),
        ("- a", "Expected `object`"),
        ("tls_server: {}", "unknown key"),
        ("tls_server_config: {cert_file: exporter.pem}", "cert_file and key_file are both needed"),
        (
            "tls_server_config: {cert_file: gone.pem, key_file: exporter.key}",
            "gone.pem, exporter.key: no such file",
        ),
        (_TLS + "  min_version: TLS9", "min_version: 'TLS9' is none of TLS10"),
        (_TLS + "  client_auth_type: Maybe", "client_auth_type: 'Maybe' is none of"),
        (_TLS + "  client_auth_type: RequireAnyClientCert", "does not verify it"),
        (_TLS + "  client_auth_type: RequireAndVerifyClientCert", "client_ca_file: is needed"),
        (_TLS + "  client_ca_file: exporter.pem", "NoClientCert together with client_ca_file"),
        (_TLS + "  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", "is not known here"),
        (_TLS + "  curve_preferences: [CurveP256]", "curves cannot be chosen"),
        (_TLS + "  cert: inline", "are not read"),
        ("basic_auth_users: {prometheus: secret}", "has no bcrypt hash"),
        ("basic_auth_users: {'a:b': x}", "is no user name"),
        ("basic_auth_users: {a: $2y$31$" + "a" * 53 + "}", "a bcrypt cost of 4 to 16"),
        ("http_server_config: {headers: {Set-Cookie: a}}", "is none of Content-Security-Policy"),
        (
            'http_server_config: {headers: {X-Frame-Options: "a\\r\\nb: c"}}',
            "characters that no header may have",
        ),
        ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "unknown key"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, words: str) -> None:
    write_web(tmp_path)
    web = tmp_path / "web.yml"
    web.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_web_config(web)
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(web))
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_plain_http(tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    for text in ("", "# nothing\n", "tls_server_config: {}\n", "http_server_config: {http2: false}\n"):
        web.write_text(text)
        found = read_web_config(web)
        assert (found.tls, found.users) == (None, {})


def test_chosen_suites_are_those_and_no_other(tmp_path: Path) -> None:
    write_web(
        tmp_path, tls="  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  max_version: TLS12"
    )
    context = read_web_config(tmp_path / "web.yml").tls
    assert context is not None
    older = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"}
    assert older == {"ECDHE-ECDSA-AES128-GCM-SHA256"}


def test_a_key_with_a_password_is_refused_and_does_not_ask_for_it(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    issued = AUTHORITY.issue(NAME)
    write_web(tmp_path, issued=issued)
    locked = issued.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "exporter.key").write_bytes(locked)
    with pytest.raises(SettingsError, match=r"exporter\.key"):
        read_web_config(tmp_path / "web.yml")
