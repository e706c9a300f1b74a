"""What the cards of rules refer to: vendors' articles, standards, and what products document."""

from __future__ import annotations

from semscheck.model.findings import Reference


def _rfc(number: int, subject: str, section: str = "", about: str = "") -> Reference:
    """A whole standard, or one section of it, and what that is about."""
    title, page = f"RFC {number}: {subject}", f"https://www.rfc-editor.org/rfc/rfc{number}"
    if not section:
        return Reference(title, page)
    words = f" ({about})" if about else ""
    return Reference(f"{title}, section {section}{words}", f"{page}#section-{section}")


def _kb(number: int, title: str) -> Reference:
    page = f"https://knowledge.broadcom.com/external/article/{number}"
    return Reference(f"Broadcom KB {number}: {title}", page)


APPLE = Reference(
    "Apple: requirements for trusted certificates in iOS 13 and macOS 10.15",
    "https://support.apple.com/en-us/103769",
)
APPLE_398 = Reference(
    "Apple: about upcoming limits on trusted certificates", "https://support.apple.com/en-us/102028"
)
CHROME_USAGE = Reference(
    "Chrome Enterprise: check of the RSA key usage, always on since Chrome 124",
    "https://chromeenterprise.google/policies/#RSAKeyUsageForLocalAnchorsEnabled",
)
F5_COOKIES = Reference("F5 K6917: the BIG-IP persistence cookie", "https://my.f5.com/manage/s/article/K6917")
HOSTS = Reference("hosts(5): static table look-up for host names")
KB_153476 = _kb(153476, "how many members a cluster may have, and their versions")
KB_153721 = _kb(153721, "the cluster does not redirect clients by itself")
KB_154069 = _kb(154069, "clustering Encryption Management Servers")
KB_156803 = _kb(156803, "DNS round robin and load balancers with Encryption Management Server")
KB_157246 = _kb(157246, "one certificate with several subject alternative names")
KB_180146 = _kb(180146, "Verified Directory and keyserver are off by default")
KB_190220 = _kb(190220, "Web Email Protection behind a load balancer")
KB_PREFERENCES = _kb(153321, "PGPprefs.xml and PGPdefault.xml")
KB_ROUND_ROBIN = _kb(162371, "DNS round robin is not supported")
KB_STAMP = _kb(153414, "where Encryption Desktop keeps its server and its settings")
NMAP = Reference(
    "nmap service probes: what PGP Universal answers",
    "https://github.com/nmap/nmap/blob/master/nmap-service-probes",
)
OPENSSL_3 = Reference(
    "OpenSSL 3 migration guide: secure renegotiation is required by default",
    "https://docs.openssl.org/3.0/man7/migration_guide/",
)
PKI_PSS = Reference("PKI Solutions: PKCS#1 v2.1 RSASSA-PSS", "https://pkisolutions.com/pkcs1v2-1rsassa-pss/")
REBINDING = Reference(
    "unbound.conf(5): private-address", "https://nlnetlabs.nl/documentation/unbound/unbound.conf/"
)
RESOLV_CONF = Reference(
    "resolv.conf(5): timeout, attempts, single-request-reopen",
    "https://man7.org/linux/man-pages/man5/resolv.conf.5.html",
)
RFC_1034 = _rfc(1034, "domain names, concepts")
RFC_1035 = _rfc(1035, "domain names, implementation")
RFC_1122_ADDRESSING = _rfc(1122, "requirements for hosts", "3.2.1.3", "addressing")
RFC_1122_HOME = _rfc(1122, "requirements for hosts", "3.3.4", "local multihoming")
RFC_1122_UNREACHABLE = _rfc(1122, "requirements for hosts", "3.2.2.1", "destination unreachable")
RFC_2308 = _rfc(2308, "negative caching of DNS answers")
RFC_4055 = _rfc(4055, "RSASSA-PSS in certificates")
RFC_4074 = _rfc(4074, "common misbehaviour against DNS queries for IPv6 addresses")
RFC_4291 = _rfc(4291, "IPv6 addressing", "2.5.5.2", "IPv4-mapped addresses")
RFC_5156 = _rfc(5156, "special-use IPv6 addresses", "2.2")
RFC_5280_PATH = _rfc(5280, "X.509 certificates", "6", "path validation")
RFC_5280_USAGE = _rfc(5280, "X.509 certificates", "4.2.1.12", "extended key usage")
RFC_5280_VALIDITY = _rfc(5280, "X.509 certificates", "4.1.2.5", "validity")
RFC_5746 = _rfc(5746, "TLS renegotiation indication", "4.1")
RFC_6052 = _rfc(6052, "IPv6 addressing of translators")
RFC_6066 = _rfc(6066, "TLS extensions", "3", "server name indication")
RFC_6147 = _rfc(6147, "DNS64")
RFC_6265 = _rfc(6265, "HTTP state management (cookies)")
RFC_6265_PATHS = _rfc(6265, "HTTP state management", "5.1.4", "paths and path-match")
RFC_6585 = _rfc(6585, "additional HTTP status codes", "6", "511, network authentication required")
RFC_6724 = _rfc(6724, "default address selection")
RFC_7301 = _rfc(7301, "ALPN")
RFC_7633 = _rfc(7633, "X.509 TLS feature extension", "4.2.3.1")
RFC_7685 = _rfc(7685, "a TLS ClientHello padding extension")
RFC_8020 = _rfc(8020, "NXDOMAIN says that nothing is there")
RFC_8305 = _rfc(8305, "Happy Eyeballs")
RFC_8422_KEYS = _rfc(8422, "elliptic-curve cipher suites", "5.3")
RFC_8446 = _rfc(8446, "TLS 1.3")
RFC_8446_ALERTS = _rfc(8446, "TLS 1.3", "6", "alerts")
RFC_8446_CERTIFICATE = _rfc(8446, "TLS 1.3", "4.3.2", "certificate request")
RFC_8446_CHAIN = _rfc(8446, "TLS 1.3", "4.4.2", "what a server sends")
RFC_8446_INVARIANTS = _rfc(8446, "TLS 1.3", "9.3", "protocol invariants, for middleboxes")
RFC_8446_RESUMPTION = _rfc(8446, "TLS 1.3", "2.2", "resumption")
RFC_8767 = _rfc(8767, "serving stale data")
RFC_8899 = _rfc(8899, "packetization layer path MTU discovery")
RFC_8952 = _rfc(8952, "captive portal architecture")
RFC_8996 = _rfc(8996, "deprecating TLS 1.0 and TLS 1.1")
RFC_9110_CONNECT = _rfc(9110, "HTTP semantics", "9.3.6", "CONNECT")
RFC_9110_CONNECT = _rfc(9110, "HTTP semantics", "9.3.6", "CONNECT")
RFC_9110_LOCATION = _rfc(9110, "HTTP semantics", "10.2.2", "Location")
RFC_9155 = _rfc(9155, "MD5 and SHA-1 signatures deprecated in TLS 1.2")
RFC_9293 = _rfc(9293, "TCP", "3.5", "establishing a connection")
RFC_9325 = _rfc(9325, "recommendations for secure use of TLS")
RFC_9525 = _rfc(9525, "Service Identity in TLS", "6.3")
RFC_DATE = Reference("RFC 9110 section 6.6.1: Date", "https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1")
SP_800_57 = Reference(
    "NIST SP 800-57 Part 1 Rev. 5, table 2: 112 bits of strength are RSA 2048 or EC 224",
    "https://doi.org/10.6028/NIST.SP.800-57pt1r5",
)
WINDOWS_CURVES = Reference(
    "Microsoft: TLS elliptic curves in Windows 10 version 1607 and later",
    "https://learn.microsoft.com/en-us/windows/win32/secauthn/tls-elliptic-curves-in-windows-10-1607-and-later",
)
WINDOWS_VERSIONS = Reference(
    "Microsoft: TLS protocol version support",
    "https://learn.microsoft.com/en-us/windows/win32/secauthn/protocols-in-tls-ssl--schannel-ssp-",
)
