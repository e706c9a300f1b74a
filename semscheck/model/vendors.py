"""The load balancer's settings in the words of its vendor.

At each vendor stands the manual to which its words belong; they were not compared with it: UNVERIFIED.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VendorWords:
    """Where to set what. failover: one server serves, the others stand by. source, cookie: persistence by the
    client's address, and by cookie where TLS ends at the load balancer (empty: not possible there). health: a check
    that asks for a page over TLS. states: where the pool's servers are shown as up or down."""

    failover: str
    source: str
    cookie: str
    health: str
    states: str


GENERAL = VendorWords(
    failover="set the method to failover (active/passive or ordered list)",
    source="turn on persistence by source IP",
    cookie="turn on persistence by cookie",
    health="give the pool a health check that asks for a page over HTTPS, not one that only opens a port",
    states="the state of each server in the pool",
)

VENDORS: dict[str, VendorWords] = {
    # F5 BIG-IP LTM manuals: pools, monitors, persistence profiles; K6917.
    "f5": VendorWords(
        failover="in the F5 pool, set Priority Group Activation and give one member the highest priority group",
        source="on the F5 virtual server, set Default Persistence Profile to source_addr",
        cookie="on the F5 virtual server, set Default Persistence Profile to cookie",
        health="assign an https monitor to the F5 pool",
        states="Local Traffic > Pools > Members on the F5",
    ),
    # docs.citrix.com/en-us/citrix-adc, load balancing: persistence, backup virtual server, monitors.
    "citrix": VendorWords(
        failover="on the NetScaler, bind one server to the virtual server and put the others on a second one, named "
        "with -backupVServer",
        source="on the NetScaler virtual server, set -persistenceType SOURCEIP (the default is NONE)",
        cookie="on the NetScaler virtual server, set -persistenceType COOKIEINSERT",
        health="bind an HTTP-ECV monitor with -secure YES to the NetScaler services",
        states="the service states on the NetScaler (show lb vserver)",
    ),
    # HAProxy configuration manual: backup, stick-table, stick on, cookie, option httpchk, check-ssl.
    "haproxy": VendorWords(
        failover='in the HAProxy backend, mark all servers but one "backup"',
        source='in the HAProxy backend, add "stick-table type ip size 100k expire 8h" and "stick on src"',
        cookie='in the HAProxy backend (mode http), add "cookie NAME insert indirect nocache"',
        health='in the HAProxy backend, use "option httpchk" with "check-ssl" on the servers',
        states='the HAProxy statistics page or "show servers state"',
    ),
    # nginx.org: ngx_http_upstream_module, ngx_stream_upstream_module.
    "nginx": VendorWords(
        failover='in the nginx upstream block, mark all servers but one "backup"',
        source='in the nginx upstream block, use "hash $remote_addr consistent" without "backup" servers',
        cookie="",
        health='in the nginx upstream block, set "max_fails" and "fail_timeout" on the servers',
        states="the nginx error log, for upstream errors",
    ),
    # support.kemptechnologies.com 202017723 (scheduling methods); docs.progress.com (persistence, health checks).
    "kemp": VendorWords(
        failover='on the LoadMaster virtual service, set Scheduling Method to "fixed weighting"',
        source="on the LoadMaster virtual service, set Persistence Mode to Source IP Address",
        cookie="on the LoadMaster virtual service, set Persistence Mode to Active Cookie",
        health="on the LoadMaster virtual service, set the Real Server Check to HTTPS Protocol",
        states="View/Modify Services on the LoadMaster",
    ),
    # Cisco ACE server load-balancing guide: stickiness, backup server farm, probes.
    "cisco": VendorWords(
        failover="on the Cisco ACE, put one server into the server farm and the others into its backup server farm",
        source="on the Cisco ACE, configure sticky ip-netmask and use it in the policy map",
        cookie="on the Cisco ACE, configure sticky http-cookie with insert",
        health="on the Cisco ACE, add an https probe to the server farm",
        states="show serverfarm on the Cisco ACE",
    ),
    # A10 aXAPI: slb service-group (member priority), slb template persist, health monitor.
    "a10": VendorWords(
        failover="in the A10 service group, give one member the highest priority",
        source="bind a source-IP persistence template to the A10 virtual port",
        cookie="bind a cookie persistence template to the A10 virtual port",
        health="assign an https health monitor to the A10 service group",
        states="the service group's members on the A10",
    ),
    # docs.aws.amazon.com/elasticloadbalancing: target groups, sticky sessions, health checks.
    "aws": VendorWords(
        failover="in the AWS listener, forward to weighted target groups of one server each, one with nearly all the "
        "weight (AWS has no failover method)",
        source="on the AWS target group, turn on stickiness (source_ip)",
        cookie="on the AWS target group, turn on stickiness (lb_cookie)",
        health="on the AWS target group, set the health check's protocol to HTTPS",
        states="the Targets tab of the AWS target group",
    ),
    # learn.microsoft.com: Azure Load Balancer distribution mode and health probes; Application Gateway settings.
    "azure": VendorWords(
        failover="in the Azure backend pool, keep one server and change it by hand (Azure has no failover method)",
        source="in the Azure load-balancing rule, set Session persistence to Client IP",
        cookie="in the Application Gateway's backend settings, set Cookie-based affinity to Enabled",
        health="set the Azure health probe's protocol to HTTPS",
        states="the backend health page in Azure",
    ),
    # campus.barracuda.com/doc/172359977 (persistence settings), and the scheduling and backup pages.
    "barracuda": VendorWords(
        failover="in the Barracuda service, keep one real server active and make the others backup servers",
        source="in the Barracuda service, set persistence to Client IP (Source IP)",
        cookie="in the Barracuda service, set persistence to HTTP Cookie",
        health="give the Barracuda service a server monitor that asks for a page over HTTPS",
        states="the state of each real server in the Barracuda service",
    ),
    # docs.fortinet.com, FortiADC CLI reference: load-balance persistence, real servers.
    "fortinet": VendorWords(
        failover="in the Fortinet pool, keep one real server active with the others in standby",
        source="on the Fortinet virtual server, choose a source-address persistence rule (on FortiADC the predefined "
        "LB_PERSIS_SRC_ADDR)",
        cookie="on the Fortinet virtual server, choose a persistence rule by cookie",
        health="give the Fortinet pool an HTTPS health check",
        states="the state of each real server in the Fortinet pool",
    ),
    # IBM WebSphere Edge Components, Load Balancer: dscontrol port (stickytime), server (weight), advisors.
    "ibm": VendorWords(
        failover="in the IBM Load Balancer, give one server a high weight (dscontrol server set ... weight)",
        source="on the IBM Load Balancer port, set a stickytime (dscontrol port set ... stickytime)",
        cookie="",
        health="start an HTTPS advisor for the IBM Load Balancer port",
        states="dscontrol server report on the IBM Load Balancer",
    ),
}

# What cookies and pages call the maker, and the key of its words.
_SEEN = {
    "F5": "f5",
    "Citrix": "citrix",
    "NetScaler": "citrix",
    "HAProxy": "haproxy",
    "nginx": "nginx",
    "Kemp": "kemp",
    "A10": "a10",
    "AWS": "aws",
    "Amazon": "aws",
    "Azure": "azure",
    "Barracuda": "barracuda",
    "Fortinet": "fortinet",
    "IBM": "ibm",
}


def words_for(seen: str | None) -> VendorWords:
    """The words of the maker that cookies and pages name; general ones where they name none, or one without words."""
    vendor = (seen or "").lower()
    return VENDORS.get(
        next((key for name, key in _SEEN.items() if vendor.startswith(name.lower())), ""), GENERAL
    )
