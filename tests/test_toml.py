"""Numbers that Python's reader of TOML admits and the format does not, in every file that people write."""

from __future__ import annotations

from pathlib import Path

import pytest

from semscheck import toml
from semscheck.exporter.settings import SettingsError, read_settings
from semscheck.model.target import Target
from semscheck.probes.enrolment import _pairs
from semscheck.probes.nameservers import parse_resolv_conf
from semscheck.profile.reader import ProfileError, read_target

HUGE = "0x" + "f" * 5000


@pytest.mark.parametrize("key", ["connections", "spread_s"])
def test_a_profile_with_a_number_of_5000_digits(tmp_path: Path, key: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f'[target]\nfqdn = "keys.example.com"\n[sampling]\n{key} = {HUGE}\n')
    with pytest.raises(ProfileError, match="more than 64 bits"):
        read_target(path, {}, dict)


@pytest.mark.parametrize(
    "section", ["[probe]\nmax_runs", "[probe]\nconnections", "[history]\nreports", "[web]\nshutdown_s"]
)
def test_an_exporters_configuration_with_one(tmp_path: Path, section: str) -> None:
    (tmp_path / "keys.toml").write_text('[target]\nfqdn = "keys.example.com"\n')
    path = tmp_path / "exporter.toml"
    path.write_text(f'[targets]\nkeys = "keys.toml"\n{section} = {HUGE}\n')
    with pytest.raises(SettingsError, match="more than 64 bits"):
        read_settings(path, lambda *_: Target(fqdn="keys.example.com"))


def test_what_is_nested_too_deeply_is_no_toml() -> None:
    with pytest.raises(ValueError):
        toml.loads("a = " + "[" * 100_000)
    assert toml.loads(f"a = [{2**63 - 1}, {-(2**63)}]")["a"] == [2**63 - 1, -(2**63)]


@pytest.mark.parametrize("digits", ["²", "٣", "9" * 5000])
def test_ndots_is_a_number_of_plain_digits(digits: str) -> None:
    assert parse_resolv_conf(f"nameserver 192.0.2.1\noptions ndots:{digits}").ndots == 1


@pytest.mark.parametrize("encoding", ["klingon", "hex", "utf-7", "idna"])
def test_preferences_in_an_encoding_that_nobody_knows(encoding: str) -> None:
    data = f'<?xml version="1.0" encoding="{encoding}"?><plist><string>x</string></plist>'
    assert isinstance(_pairs(data.encode()), list)
