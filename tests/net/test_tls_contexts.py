"""Where trust comes from: the system's store, wherever it is kept, and the file that was given."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from semscheck.net import tls_contexts as trust
from semscheck.net.tls_contexts import Contexts, trusting
from tests.net.tlsserver import authority


class Paths:
    """What OpenSSL was built to look at."""

    def __init__(self, cafile: str | None, capath: str | None) -> None:
        self.cafile, self.capath = cafile, capath


def given(monkeypatch: pytest.MonkeyPatch, cafile: str | None, capath: str | None, *bundles: Path) -> None:
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: Paths(cafile, capath))
    monkeypatch.setattr(trust, "_BUNDLES", tuple(map(str, bundles)))


def subjects(context: ssl.SSLContext) -> list[str]:
    return [str(each["subject"]) for each in context.get_ca_certs()]


def test_a_distributions_bundle_stands_in_for_a_store_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = authority().write(tmp_path, "bundle")
    given(monkeypatch, None, None, tmp_path / "absent.pem", bundle)
    assert any("Example Test Root" in subject for subject in subjects(trusting(None)))


def test_an_empty_folder_is_no_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "README").write_text("nothing")
    bundle = authority().write(tmp_path, "bundle")
    given(monkeypatch, None, str(folder), bundle)
    assert any("Example Test Root" in subject for subject in subjects(trusting(None)))


def test_no_store_at_all_trusts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, None, None)
    context = trusting(None)
    assert subjects(context) == []
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_what_the_desktop_has_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    used: list[str] = []
    monkeypatch.setattr(
        ssl.SSLContext, "set_default_verify_paths", lambda self: used.append("default"), raising=True
    )
    given(monkeypatch, str(tmp_path / "cert.pem"), None)
    trusting(None)
    assert used == ["default"]


def test_the_file_that_was_given_is_added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, None, None)
    ca_file = str(authority().write(tmp_path))
    assert any("Example Test Root" in subject for subject in subjects(trusting(ca_file)))
    assert Contexts(ca_file).store == "system+ca-file"
    assert Contexts(None).store == "system"


@pytest.mark.parametrize("content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_that_holds_none_is_refused_at_once(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises((OSError, ssl.SSLError)):
        Contexts(str(file))


def test_each_context_is_made_once() -> None:
    contexts = Contexts(None)
    for policy in ("default", "unverified", "legacy"):
        assert contexts.get(policy) is contexts.get(policy)
    assert contexts.get("default") is not contexts.get("unverified")
    assert contexts.get("legacy").verify_mode is ssl.CERT_NONE
    with pytest.raises(KeyError):
        contexts.get("none of these")
