"""The configuration file: what is read, and what is refused with the key's path."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from semscheck.cli.commands.exporter import doors
from semscheck.exporter.settings import (
    DEFAULT_LISTEN,
    Kept,
    Listen,
    Probe,
    SettingsError,
    Web,
    listen_address,
    read_settings,
)

PACKAGED = Path(__file__).resolve().parent.parent.parent / "packaging" / "monitoring" / "exporter.toml"


def write(directory: Path, text: str, **profiles: str) -> Path:
    for name, profile in (profiles or {"keys": "keys.example.com"}).items():
        (directory / f"{name}.toml").write_text(f'[target]\nfqdn = "{profile}"\n')
    path = directory / "exporter" / "exporter.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def read(path: Path) -> dict[str, str]:
    settings = read_settings(path, doors().read_target)
    return {name: target.fqdn for name, target in settings.targets.items()}


def test_targets_by_name_and_by_pattern(tmp_path: Path) -> None:
    text = 'profiles = ["../k*.toml"]\n[targets]\nother = "../keys.toml"\n'
    path = write(tmp_path, text, keys="keys.example.com", keys2="keys2.example.com", no="no.example.com")
    assert read(path) == {
        "keys": "keys.example.com",
        "keys2": "keys2.example.com",
        "other": "keys.example.com",
    }


def test_a_target_has_its_own_resolvers_and_connections_or_the_general_ones(tmp_path: Path) -> None:
    text = (
        '[probe]\nresolvers = ["192.0.2.53"]\nconnections = 10\n[targets]\ngeneral = "../keys.toml"\n'
        'own = { profile = "../keys.toml", resolvers = ["[2001:db8::53]:5353"], connections = 20 }\n'
        'system = { profile = "../keys.toml", resolvers = [] }\n'
    )
    targets = read_settings(write(tmp_path, text), doors().read_target).targets
    assert {name: ([str(r.address) for r in t.resolvers], t.connections) for name, t in targets.items()} == {
        "general": (["192.0.2.53"], 10),
        "own": (["2001:db8::53"], 20),
        "system": ([], 10),
    }
    assert not any(target.connections_given for target in targets.values())  # it may still stop when certain


def test_connections_are_not_spread_unless_the_profile_says_so(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[targets]\nkeys = "../keys.toml"\nslow = "../slow.toml"',
        keys="keys.example.com",
        slow="keys.example.com",
    )
    slow = path.parent.parent / "slow.toml"
    slow.write_text(slow.read_text("utf-8") + "[sampling]\nspread_s = 2\n", "utf-8")
    targets = read_settings(path, doors().read_target).targets
    assert {name: target.spread_s for name, target in targets.items()} == {"keys": 0, "slow": 2}


def test_without_a_word_about_it_only_this_machine_is_listened_to(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, '[targets]\nkeys = "../keys.toml"'), doors().read_target)
    assert [str(at) for at in settings.listen] == [DEFAULT_LISTEN]
    assert all(at.is_loopback for at in settings.listen)
    assert not settings.web.reload


def test_the_packaged_file_shows_the_defaults() -> None:
    table = tomllib.loads(PACKAGED.read_text("utf-8"))
    for name, shape in (("web", Web()), ("probe", Probe()), ("history", Kept())):
        for key, value in table[name].items():
            assert getattr(shape, key) == value, f"{name}.{key}"


def test_every_key_is_in_the_packaged_file() -> None:
    text = PACKAGED.read_text("utf-8")
    for shape in (Web, Probe, Kept):
        for key in shape.__struct_fields__:
            assert f"{key} = " in text, key


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[targets]\n"a b" = "../keys.toml"', "a name has letters, digits and"),
        ('[targets]\n"a/b" = "../keys.toml"', "a name has letters, digits and"),
        ('[targets]\n"' + "a" * 129 + '" = "../keys.toml"', "a name has letters, digits and"),
        ('[targets]\nkeys = "../gone.toml"', "targets.keys: "),
        ('[targets]\nkeys = { file = "../keys.toml" }', "unknown key `file`"),
        (
            '[targets]\nkeys = { profile = "../keys.toml", connections = 500 }',
            "keys.connections: 500 is out of",
        ),
        (
            '[targets]\nkeys = { profile = "../keys.toml", resolvers = ["dns.example.com"] }',
            "targets.keys: resolvers: ",
        ),
        ('profiles = ["../keys.toml", "../sub/keys.toml"]', "two targets are called keys"),
        ('profiles = ["../nothing*.toml"]', "no targets"),
        ('profiles = "../*.toml"', "profiles: Expected `array`"),
        ('[web]\nlisten = []\n[targets]\nkeys = "../keys.toml"', "web.listen: an address and port is needed"),
        (
            '[web]\nlisten = ["localhost:1"]\n[targets]\nkeys = "../keys.toml"',
            "web.listen: 'localhost:1' is not",
        ),
        (
            '[web]\nmax_connections = 0\n[targets]\nkeys = "../keys.toml"',
            "web.max_connections: 0 is out of range",
        ),
        ('[probe]\nmargin_s = nan\n[targets]\nkeys = "../keys.toml"', "probe.margin_s: nan is out of range"),
        ('[history]\nreports = -1\n[targets]\nkeys = "../keys.toml"', "history.reports: -1 is out of range"),
        ("a" * (1024 * 1024 + 1), "larger than 1 MiB"),
        ("[" * 5000, "not TOML"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "keys.toml").write_text('[target]\nfqdn = "keys.example.com"\n')
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert words.replace("`", "'") in said.replace("`", "'")
    assert "\n" not in said
    assert len(said) < 1000


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not TOML"):
        read(path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:9797", Listen("127.0.0.1", 9797)),
        ("0.0.0.0:0", Listen("0.0.0.0", 0)),
        ("[::1]:9797", Listen("::1", 9797)),
        ("[2001:db8:0::1]:1", Listen("2001:db8::1", 1)),
    ],
)
def test_addresses_to_listen_on(text: str, found: Listen) -> None:
    assert listen_address(text, "here") == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":9797",
        "9797",
        "::1:9797",
        "[127.0.0.1]:1",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:1x",
        "a:1",
        "127.0.0.1:٣",
    ],
)
def test_what_is_no_address_to_listen_on(text: str) -> None:
    with pytest.raises(SettingsError, match=r"here: .* is not IP:PORT"):
        listen_address(text, "here")
