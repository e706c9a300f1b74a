"""Profiles and options into targets; what is wrong is one line that names the file and the key, or the option."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from semscheck.model.target import (
    Endpoint,
    Failover,
    Limits,
    Member,
    Services,
    Severity,
    Target,
    Thresholds,
)
from semscheck.profile.reader import MAX_BYTES, ProfileError, read_target
from tests.rig.policy import examples

CODES = {"CRT016": Severity.INFO, "DNS004": Severity.CRITICAL, "BAL008": Severity.UNKNOWN}
MINIMAL = '[target]\nfqdn = "keys.example.com"\n'
THE_CONTRACTS_EXAMPLE = """
[target]
fqdn = "keys.example.com"
port = 443
failover = "balancer"            # or "dns"
balancers = ["192.0.2.100"]
ca_file = "corp-root.pem"

[[member]]
name = "sems1.example.com"
replication = "192.0.2.11"
client = "198.51.100.11"

[sampling]
connections = 32
spread_s = 4
[limits]
timeout_s = 5
deadline_s = 60
[thresholds]
expiry_warning_days = 30
expiry_critical_days = 7
ttl_warning_s = 300
[services]
check = [389, 636]
require = []
[severity]
CRT016 = "warning"
"""


def severities() -> dict[str, Severity]:
    return CODES


def read(folder: Path, text: str | bytes, **options: object) -> Target:
    path = folder / "profile.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_target(path, options, severities)


def given_options(**options: object) -> Target:
    return read_target(None, {"fqdn": "keys.example.com", **options}, severities)


def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A root")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


# --- what is read ------------------------------------------------------------------------------------------


WRITTEN = Thresholds(written=("expiry_warning_days", "expiry_critical_days", "ttl_warning_s"))


def test_the_contracts_example(tmp_path: Path) -> None:
    (tmp_path / "corp-root.pem").write_bytes(certificate())
    assert read(tmp_path, THE_CONTRACTS_EXAMPLE) == Target(
        fqdn="keys.example.com",
        fqdn_shown="keys.example.com",
        balancers=("192.0.2.100",),
        members=(Member("sems1.example.com", (Endpoint("192.0.2.11"),), (Endpoint("198.51.100.11"),)),),
        ca_file=str(tmp_path / "corp-root.pem"),
        thresholds=WRITTEN,
        services=Services(check=(389, 636)),
        severities={"CRT016": Severity.WARNING},
        spread_s=4,
        profile=str(tmp_path / "profile.toml"),
    )


def test_the_defaults_are_the_contracts(tmp_path: Path) -> None:
    target = read(tmp_path, MINIMAL)
    assert target.port == 443
    assert target.failover is Failover.BALANCER
    assert (target.connections, target.connections_given) == (32, False)
    assert target.spread_s == 4
    assert target.limits == Limits(5, 60)
    assert target.thresholds == Thresholds(30, 7, 300)
    assert target.services == Services()
    assert target.families == (4, 6)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode()).fqdn == "keys.example.com"


def test_an_idn_is_kept_both_ways(tmp_path: Path) -> None:
    target = read(tmp_path, '[target]\nfqdn = "schlüssel.example"\n')
    assert (target.fqdn, target.fqdn_shown) == ("xn--schlssel-95a.example", "schlüssel.example")


def test_an_address_as_fqdn_is_marked() -> None:
    target = given_options(fqdn="192.0.2.100")
    assert (target.fqdn, target.fqdn_is_address) == ("192.0.2.100", True)


def test_endpoints_in_every_form(tmp_path: Path) -> None:
    target = read(
        tmp_path,
        MINIMAL
        + """
[[member]]
name = "sems1.example.com"
replication = ["192.0.2.11:444", "[2001:db8::11]:444"]
client = ["198.51.100.11", "2001:db8:1::11"]
[[member]]
name = "sems2.example.com"
""",
    )
    assert target.members[0].replication == (Endpoint("192.0.2.11", 444), Endpoint("2001:db8::11", 444))
    assert target.members[0].client == (Endpoint("198.51.100.11"), Endpoint("2001:db8:1::11"))
    assert target.members[1] == Member("sems2.example.com")


def test_one_address_in_both_roles_of_one_member_is_accepted(tmp_path: Path) -> None:
    target = read(
        tmp_path, MINIMAL + '[[member]]\nname = "a"\nreplication = "192.0.2.1"\nclient = "192.0.2.1"\n'
    )
    assert target.members[0].replication == target.members[0].client


def test_two_members_on_one_address_with_ports_of_their_own(tmp_path: Path) -> None:
    target = read(
        tmp_path,
        MINIMAL
        + '[[member]]\nname = "a"\nclient = "192.0.2.1:1443"\n[[member]]\nname = "b"\nclient = "192.0.2.1:2443"\n',
    )
    assert [member.client[0].port for member in target.members] == [1443, 2443]


# --- what is refused ---------------------------------------------------------------------------------------

MEMBER = '[[member]]\nname = "sems1.example.com"\n'
SECOND = '[[member]]\nname = "sems2.example.com"\n'

REFUSED = [
    ("x =", "not TOML"),
    ("[" * 5000, "not TOML"),
    ("a = " + "[" * 50_000, "nested too deeply"),
    ("d = 2026-13-45", "not TOML"),
    ("target = 3", "target: a table is expected, not a whole number"),
    ("[[target]]", "target: a table is expected, not a list"),
    ("[target]\nport = 443\n", "target.fqdn: missing"),
    ("[target]\nfqdn = 3\n", "target.fqdn: a string is expected, not a whole number"),
    ("[target]\nfqdn = 1979-05-27\n", "target.fqdn: a string is expected, not a date"),
    ('[target]\nfqdn = "keys..example.com"\n', "target.fqdn: 'keys..example.com' is no host name"),
    (MINIMAL + 'port = "443"\n', "target.port: a whole number is expected, not a string"),
    (MINIMAL + "port = true\n", "target.port: a whole number is expected, not true or false"),
    (MINIMAL + "port = 443.5\n", "target.port: a whole number is expected, not a number"),
    (MINIMAL + "port = 0\n", "target.port: 0 is no port"),
    (MINIMAL + "port = 65536\n", "target.port: 65536 is no port"),
    (MINIMAL + f"port = {2**70}\n", "target.port: "),
    (MINIMAL + 'failover = "manual"\n', 'target.failover: \'manual\' is neither "balancer" nor "dns"'),
    (MINIMAL + "prot = 443\n", "target.prot: unknown key; did you mean port?"),
    (MINIMAL + "[samplng]\n", "samplng: unknown key; did you mean sampling?"),
    (MINIMAL + '"\\u001b[31m" = 1\n', r"target.'\x1b[31m': unknown key"),
    (MINIMAL + 'balancers = ["192.0.2.300"]\n', "target.balancers[1]: '192.0.2.300' is no address"),
    (MINIMAL + 'balancers = ["192.0.2.1", "192.0.2.1"]\n', "target.balancers: 192.0.2.1 is there twice"),
    (MINIMAL + 'balancers = ["192.0.2.1:443"]\n', "target.balancers[1]: '192.0.2.1:443' is no address"),
    (MINIMAL + 'balancers = "192.0.2.1"\n', "target.balancers: a list is expected, not a string"),
    (MINIMAL + "[member]\n", "member: write [[member]]"),
    (MINIMAL + "[[member]]\n", "member[1].name: missing"),
    (MINIMAL + '[[member]]\nname = "192.0.2.1"\n', "member[1].name: '192.0.2.1' is an address"),
    (
        MINIMAL + MEMBER + SECOND + 'client = "192.0.2.300"\n',
        "member[2].client: '192.0.2.300' is no address (member sems2.example.com)",
    ),
    (
        MINIMAL + MEMBER + SECOND + 'client = ["192.0.2.1", "x"]\n',
        "member[2].client[2]: 'x' is no address (member sems2.example.com)",
    ),
    (
        MINIMAL + MEMBER + SECOND + "client = [1]\n",
        "member[2].client[1]: a string is expected, not a whole number",
    ),
    (MINIMAL + MEMBER + "client = 1\n", "member[1].client: a string or a list of strings is expected"),
    (MINIMAL + MEMBER + 'cleint = "x"\n', "member[1].cleint: unknown key; did you mean client?"),
    (MINIMAL + MEMBER + MEMBER, "member[2].name: sems1.example.com is member[1] already"),
    (
        MINIMAL + MEMBER + 'client = "192.0.2.1"\n' + SECOND + 'replication = "192.0.2.1:443"\n',
        "member[2].replication: 192.0.2.1:443 is an address of sems1.example.com already",
    ),
    (
        MINIMAL + MEMBER + 'client = ["192.0.2.1", "192.0.2.1"]\n',
        "member[1].client: 192.0.2.1 is there twice",
    ),
    (MINIMAL + "[sampling]\nconnections = 0\n", "sampling.connections: 0 is out of range (1 to 200)"),
    (MINIMAL + "[sampling]\nspread_s = -1\n", "sampling.spread_s: -1 is out of range (0 to 600 seconds)"),
    (MINIMAL + "[sampling]\nconnections = 201\n", "sampling.connections: 201 is out of range (1 to 200)"),
    (MINIMAL + "[limits]\ntimeout_s = 0\n", "limits.timeout_s: 0 is out of range"),
    (MINIMAL + "[limits]\ntimeout_s = nan\n", "limits.timeout_s: nan is out of range"),
    (MINIMAL + "[limits]\ndeadline_s = inf\n", "limits.deadline_s: inf is out of range"),
    (MINIMAL + "[limits]\ndeadline_s = -1\n", "limits.deadline_s: -1 is out of range"),
    (
        MINIMAL + "[thresholds]\nexpiry_warning_days = -1\n",
        "thresholds.expiry_warning_days: -1 is out of range",
    ),
    (
        MINIMAL + "[thresholds]\nexpiry_warning_days = 5\n",
        "thresholds.expiry_critical_days: 7 is more than expiry_warning_days (5)",
    ),
    (MINIMAL + "[thresholds]\nttl_warning_s = 0.5\n", "thresholds.ttl_warning_s: a whole number is expected"),
    (MINIMAL + "[thresholds]\nttl_warning_s = -1\n", "thresholds.ttl_warning_s: -1 is out of range"),
    (MINIMAL + "[services]\ncheck = [0]\n", "services.check[1]: 0 is no port"),
    (MINIMAL + '[services]\nrequire = ["ldap"]\n', "services.require[1]: a whole number is expected"),
    (MINIMAL + '[severity]\nCRT999 = "info"\n', "severity.CRT999: no rule has the code 'CRT999'"),
    (MINIMAL + '[severity]\nCRT016 = "bad"\n', "severity.CRT016: 'bad' is no severity"),
    (MINIMAL + "[severity]\nCRT016 = 1\n", "severity.CRT016: a string is expected"),
    (MINIMAL + '[severity]\nCRT016 = "unknown"\n', "severity.CRT016: no finding can be made unknown"),
    (
        MINIMAL + '[severity]\nBAL008 = "info"\n',
        "severity.BAL008: BAL008 says that something could not be determined",
    ),
    (MINIMAL + 'ca_file = ""\n', "target.ca_file: is empty"),
    (MINIMAL + 'ca_file = "none.pem"\n', "none.pem: no such file"),
    (MINIMAL + 'ca_file = "."\n', "is a directory"),
    (MINIMAL + 'ca_file = "profile.toml"\n', "there is no certificate in it"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_refused_in_one_line_that_names_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read(tmp_path, text)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'profile.toml'}: ")
    assert words in line
    assert "\n" not in line.replace("\\n", "")


def test_not_utf8_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"profile\.toml: not UTF-8 \(line 3\)"):
        read(tmp_path, MINIMAL.encode() + b"# \xff\n")


def test_a_directory_as_profile(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="is a directory"):
        read_target(tmp_path, {}, severities)


def test_no_profile_there(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"none\.toml: no such file or directory"):
        read_target(tmp_path / "none.toml", {}, severities)


def test_a_profile_of_50_megabytes_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    with path.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    with pytest.raises(ProfileError, match="larger than 1 MiB"):
        read_target(path, {}, severities)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_an_endless_device_is_not_read_to_its_end() -> None:
    with pytest.raises(ProfileError, match="larger than 1 MiB"):
        read_target(Path("/dev/zero"), {}, severities)


def test_a_profile_at_the_bound_is_read(tmp_path: Path) -> None:
    text = MINIMAL + "#" * (MAX_BYTES - len(MINIMAL))
    assert read(tmp_path, text).fqdn == "keys.example.com"


@given(st.binary(max_size=400))
@settings(max_examples=examples(60))
def test_no_bytes_crash(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    words = ""
    try:
        read(tmp_path_factory.mktemp("profile"), data)
    except ProfileError as problem:
        words = str(problem)
    assert "\n" not in words


# --- extra trust -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello", "there is no certificate in it"),
        (b"\x30\x82\x01\x0a", "looks like DER"),
        (
            b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n",
            "read; it is damaged or cut off",
        ),
        (b"-----BEGIN CERTIFICATE-----\n", "read; it is damaged or cut off"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "there is no certificate in it"),
    ],
)
def test_a_ca_file_without_a_certificate(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=f"--ca-file: .*{words}"):
        given_options(ca_file=str(path))


def test_a_ca_file_with_text_around_the_certificate(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"Our root\n" + certificate() + b"\nand so on\n")
    assert given_options(ca_file=str(path)).ca_file == str(path)


def test_ca_file_is_relative_to_the_profile_not_to_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "root.pem").write_bytes(certificate())
    monkeypatch.chdir("/")
    target = read(tmp_path / "deep", MINIMAL + 'ca_file = "root.pem"\n')
    assert target.ca_file == str(tmp_path / "deep" / "root.pem")


# --- the command line --------------------------------------------------------------------------------------


def test_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "corp-root.pem").write_bytes(certificate())
    (tmp_path / "other.pem").write_bytes(certificate())
    target = read(
        tmp_path,
        THE_CONTRACTS_EXAMPLE,
        fqdn="other.example.com",
        port=8443,
        member=("sems9.example.com=,192.0.2.9",),
        balancer=("192.0.2.200",),
        ca_file=str(tmp_path / "other.pem"),
        resolver=("192.0.2.53", "[2001:db8::53]:5353"),
        connections=100,
        deadline=30,
        timeout=2.5,
        services=True,
        families=(4,),
        severity=("crt016=critical", "DNS004=warning"),
    )
    assert target == Target(
        fqdn="other.example.com",
        fqdn_shown="other.example.com",
        port=8443,
        balancers=("192.0.2.200",),
        members=(Member("sems9.example.com", (), (Endpoint("192.0.2.9"),)),),
        ca_file=str(tmp_path / "other.pem"),
        resolvers=(Endpoint("192.0.2.53"), Endpoint("2001:db8::53", 5353)),
        families=(4,),
        connections=100,
        connections_given=True,
        limits=Limits(2.5, 30),
        thresholds=WRITTEN,
        services=Services(check=(389, 636)),
        ask_services=True,
        severities={"CRT016": Severity.CRITICAL, "DNS004": Severity.WARNING},
        spread_s=4,
        profile=str(tmp_path / "profile.toml"),
    )


def test_a_profile_without_a_name_and_a_name_on_the_command_line(tmp_path: Path) -> None:
    assert read(tmp_path, "[limits]\ntimeout_s = 1\n", fqdn="keys.example.com").limits.timeout_s == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fqdn": "keys..example"}, "FQDN: 'keys..example' is no host name"),
        ({"port": 0}, "--port: 0 is no port"),
        ({"port": 70000}, "--port: 70000 is no port"),
        ({"member": ("sems1",)}, "--member: 'sems1' is not NAME=REPLICATION_IP,CLIENT_IP"),
        ({"member": ("sems1=192.0.2.1",)}, "sems1=,192.0.2.1 if clients use it (Interface 2)"),
        ({"member": ("sems1=a,b",)}, "--member: 'a' is no address"),
        ({"member": ("=192.0.2.1,",)}, "--member: a server name is missing"),
        ({"member": ("a=192.0.2.1,", "A=,192.0.2.2")}, "member[2].name: a is member[1] already"),
        ({"member": ("a=192.0.2.1,", "b=,192.0.2.1")}, "192.0.2.1 is an address of a already"),
        ({"balancer": ("x",)}, "--balancer: 'x' is no address"),
        ({"resolver": ("dns.example.com",)}, "--resolver: 'dns.example.com' is no address"),
        ({"resolver": ("192.0.2.53:99999",)}, "--resolver: 99999 is no port"),
        ({"connections": 0}, "--connections: 0 is out of range"),
        ({"deadline": float("nan")}, "--deadline: nan is out of range"),
        ({"timeout": 0.0}, "--timeout: 0 is out of range"),
        ({"severity": ("CRT016",)}, "--severity: 'CRT016' is not CODE=LEVEL"),
        ({"severity": ("CRT016=loud",)}, "--severity: 'loud' is no severity"),
        ({"severity": ("CRT016=unknown",)}, "--severity: no finding can be made unknown"),
        ({"severity": ("BAL008=info",)}, "--severity: BAL008 says"),
        ({"severity": ("CRT06=info",)}, "did you mean CRT016?"),
    ],
)
def test_refused_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ProfileError) as caught:
        given_options(**options)
    assert words in str(caught.value)


def test_unreadable_profile(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = tmp_path / "profile.toml"
    path.write_text(MINIMAL)
    path.chmod(0)
    with pytest.raises(ProfileError, match="permission denied"):
        read_target(path, {}, severities)


@pytest.mark.parametrize(
    ("fqdn", "families", "words"),
    [
        ("::1", (4,), "-4: ::1 is an IPv6 address, and only IPv4 is asked for"),
        ("127.0.0.1", (6,), "-6: 127.0.0.1 is an IPv4 address, and only IPv6 is asked for"),
    ],
)
def test_an_address_of_the_family_that_is_not_asked_for(
    tmp_path: Path, fqdn: str, families: tuple[int, ...], words: str
) -> None:
    with pytest.raises(ProfileError, match=re.escape(words)):
        read(tmp_path, "", fqdn=fqdn, families=families)
    both = read(tmp_path, "", fqdn=fqdn, families=(4, 6))
    assert both.fqdn == fqdn


def test_one_family_leaves_the_other_ones_addresses_alone(tmp_path: Path) -> None:
    text = """
    [target]
    fqdn = "keys.example.com"
    balancers = ["192.0.2.100", "2001:db8::100"]
    [[member]]
    name = "sems1.example.com"
    replication = ["192.0.2.11", "[2001:db8::11]:8443"]
    client = "198.51.100.11"
    """
    six = read(tmp_path, text, families=(6,))
    assert six.balancers == ("2001:db8::100",)
    assert six.members == (Member("sems1.example.com", (Endpoint("2001:db8::11", 8443),), ()),)
    four = read(tmp_path, text, families=(4,))
    assert four.balancers == ("192.0.2.100",)
    assert four.members[0].client == (Endpoint("198.51.100.11"),)
    assert read(tmp_path, text, families=(4, 6)) == read(tmp_path, text)
