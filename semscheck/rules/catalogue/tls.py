"""Rules on the TLS handshake: does it succeed, with what, and do the members agree. Names per RFC 8446."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from semscheck.model.analysis import EndpointStatus
from semscheck.model.failure import Cause, Failure, Phase
from semscheck.model.findings import Facts, ImpactKind, InFront, Owner, Role, Stops, Subject
from semscheck.model.names import is_address
from semscheck.model.observations import Handshake
from semscheck.model.target import Severity
from semscheck.rules import references as refs
from semscheck.rules.catalogue.presented import (
    all_handshakes,
    endpoints,
    handshakes,
    named,
    refusals,
    sampled_at,
    samples_at,
    subject,
    title,
    where,
)
from semscheck.rules.context import (
    BY_SUBJECT,
    RuleContext,
    and_behind,
    by_subject,
    listed,
    sentence_start,
)
from semscheck.rules.rule import Answers, Hit, NotObserved, card, need

NO_HANDSHAKE = "no connection got as far as a TLS handshake"
OLDEST_GOOD = "TLSv1.2"
_AGE = {version: age for age, version in enumerate(("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"))}
_SAID = 60  # characters of what came instead of TLS, in a sentence
_GARBAGE = frozenset({Cause.NOT_TLS, Cause.MALFORMED, Cause.TOO_LARGE, Cause.OTHER})
_REFUSAL = frozenset({Cause.ALERT, Cause.CLOSED})
_SILENCE = frozenset({Cause.STALLED, Cause.TIMED_OUT})
_ENDED = _REFUSAL | _SILENCE | {Cause.RESET, Cause.REFUSED}


def _spoke(shake: Handshake) -> bool:
    """Did the handshake get through, or end only because we did not trust the chain?"""
    return shake.failure is None or shake.failure.cause is Cause.UNTRUSTED


def _answered(shakes: Sequence[Handshake]) -> bool:
    return any(_spoke(shake) for shake in shakes)


def _failed_at(
    context: RuleContext, causes: frozenset[Cause]
) -> Iterator[tuple[EndpointStatus, Handshake, Failure]]:
    """Places where no handshake succeeded under any policy, and the first one failed for one of the causes.

    A server that only the permissive policy reaches is old, not refusing: TLS004 and TLS008 say so.
    """
    for place in context.places:
        shakes = handshakes(context, place)
        if not shakes or _answered(shakes):
            continue
        first = shakes[0]
        if first.failure is not None and first.failure.phase is Phase.TLS and first.failure.cause in causes:
            yield place, first, first.failure


def _any_handshake(context: RuleContext) -> bool:
    return any(handshakes(context, place) for place in context.places)


HANDSHAKES = (need(_any_handshake, NO_HANDSHAKE),)


def _facts(place: EndpointStatus, context: RuleContext, failure: Failure) -> dict[str, str]:
    return {
        "place": context.name_of(place),
        "cause": failure.cause.value,
        "detail": failure.detail,
        "alert": failure.alert or "",
        "said": failure.said or "",
    }


def _said(failure: Failure) -> str:
    """What came, in words: the protocols that are met most, else the first characters."""
    said = failure.said or ""
    if said.startswith("HTTP/") or "<html" in said.lower():
        return "it answers in plain HTTP"
    if said.startswith("SSH-"):
        return "it is an SSH server"
    if said[:4] in ("220 ", "220-", "+OK ", "* OK"):
        return f'it greets like a mail or file server: "{said[:_SAID].strip()}"'
    if said:
        return f'it sent "{said[:_SAID].strip()}"'
    return f"what it sent is not valid TLS ({failure.detail})"


@card(
    code="TLS001",
    name="not-tls",
    title="No TLS",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=BY_SUBJECT,
    owner=Owner.SERVER,
    summary="Something answers, and it does not speak TLS.",
    why="Clients speak TLS (HTTPS) only, so they fail with an error of encryption. Often a plain-HTTP service or "
    "another program listens on the port, or a load balancer forwards to the wrong port of the members.",
    remedy="1. Find out what listens at this address and port.\n"
    "2. On a load balancer, check the servers' port in the pool, and that it passes TLS through.",
    seen_by="The first bytes that came after our ClientHello are no TLS record, or are broken TLS; what they say is "
    "in the evidence.",
    references=(refs.RFC_8446,),
    stops=Stops.TLS,
    in_front=InFront.NO_TLS,
    needs=HANDSHAKES,
)
def not_tls(context: RuleContext) -> Answers:
    for place, shake, failure in _failed_at(context, _GARBAGE):
        yield Hit(
            subject=context.subject_of(place),
            summary=f"No TLS at {context.name_of(place)}: {_said(failure)}.",
            severity=by_subject(place),
            evidence=(shake.id,),
            args=_facts(place, context, failure),
        )


@card(
    code="TLS002",
    name="handshake-refused",
    title="TLS handshake refused",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=BY_SUBJECT,
    owner=Owner.SERVER,
    summary="The server ended the TLS handshake with an alert, or closed the connection.",
    why="Clients cannot connect. The alert's name says more: handshake_failure and protocol_version mean that the "
    "two sides have no version or cipher in common, unrecognized_name that this name is not served there, "
    "internal_error a fault on the server. A close without an alert often comes from a load balancer that has no "
    "working member behind it.",
    remedy="1. Check that a certificate is assigned to the interface, and restart the services.\n"
    "2. On a load balancer, check that its pool has a server that is up.\n"
    "3. Compare the TLS versions and ciphers of the server with those of the clients.",
    seen_by="The alert, the close, or the reset amid the server's answer, that came after our ClientHello, with a "
    "modern and with a permissive policy. A refusal by this program's own library (small keys, old versions) is "
    "never reported as this.",
    references=(refs.RFC_8446_ALERTS,),
    stops=Stops.TLS,
    in_front=InFront.POOL,
    with_servers=True,
    needs=HANDSHAKES,
)
def handshake_refused(context: RuleContext) -> Answers:
    for place, shake, failure in _failed_at(context, _REFUSAL | {Cause.RESET}):
        how, remedy = _ALERTS.get(
            failure.alert or "", ("", _CLOSED if failure.cause is Cause.CLOSED else None)
        )
        how = f'the alert "{failure.alert}"{how}' if failure.alert else "a close and no alert"
        if failure.cause is Cause.RESET:
            if not failure.said:
                continue  # before the server's first byte: NET004
            how = "a reset, after the server had begun to answer"
        yield Hit(
            subject=context.subject_of(place),
            summary=f"The TLS handshake with {context.name_of(place)} ended in {how}{and_behind(context, place)}.",
            remedy=remedy,
            severity=by_subject(place),
            evidence=(shake.id,),
            args=_facts(place, context, failure),
        )


# What each alert says of the cause (RFC 8446 section 6.2), and what to do about it.
_ALERTS: dict[str, tuple[str, str]] = {
    "handshake_failure": (
        ": no cipher in common",
        "1. Compare the server's ciphers with its certificate: an ECDSA certificate needs ECDHE-ECDSA ciphers, an "
        "RSA "
        "one ciphers with RSA; and both with what the clients support.\n"
        "2. Check that a certificate with its key is assigned to the interface, and restart the services.",
    ),
    "protocol_version": (
        ": no TLS version in common",
        "1. Turn on TLS 1.2 and TLS 1.3 on what ends TLS there.\n"
        "2. If they are on, look for a firewall on the way that does not let them through.",
    ),
    "unrecognized_name": (
        ": this name is not served there",
        "1. Add the name, with its certificate, to the server or load balancer that answers there (its SNI rules).\n"
        "2. If it is another machine, correct the address that the name leads to.",
    ),
    "internal_error": (
        ": a fault on the server",
        "1. Look in the log of what ends TLS there: most often it cannot use its certificate or key.\n"
        "2. Restart its services.",
    ),
}
_CLOSED = (
    "1. If a load balancer answers there, check that its pool has a server that is up.\n"
    "2. Check that a certificate is assigned to the interface, and restart the services.\n"
    "3. Look for a firewall that ends TLS connections from this network."
)
FROZEN = ": it is frozen or overloaded"
OR_THE_WAY = f"{FROZEN}, or the way there loses large packets"
STALLED_EVERYWHERE = 3  # addresses; several servers do not freeze at the same moment
_ON_THE_WAY = (
    "1. Send pings of several sizes to the address: Windows `ping -f -l 1400 ADDRESS`, Linux `ping -M do -s 1400 "
    "ADDRESS`.\n"
    "2. If large ones are lost (1472 pass on a usual network), let the VPN, tunnel or firewall on the way clamp "
    "TCP's segment size (MSS), or let ICMP “fragmentation needed” through.\n"
    "3. If large packets pass, look for TLS inspection on the way."
)
_RESTART = (
    "1. Restart the services on the server, or the server itself.\n"
    "2. Let the load balancer's health check make a TLS handshake or an HTTP request."
)


@card(
    code="TLS003",
    name="handshake-stalled",
    title="TLS handshake never answered",
    impact=ImpactKind.NOBODY_CONNECTS,
    severity=Severity.CRITICAL,
    severity_note=BY_SUBJECT,
    owner=Owner.NETWORK,
    summary="The connection is accepted, and the TLS handshake is never answered.",
    why="Clients hang until they give up. A host that accepts and then stays silent is frozen or overloaded, or "
    "something on the way drops large packets (path MTU) or holds the connection for inspection. A load balancer's "
    "TCP health check does not notice, so it keeps sending clients there.",
    remedy="1. Try from a desktop in the server's own network; if it works there, look for TLS inspection, a smaller "
    "MTU or filtered ICMP on the way.\n"
    "2. If it does not, restart the services on the server, or the server itself.\n"
    "3. Let the load balancer's health check make a TLS handshake or an HTTP request.",
    seen_by="A TCP connection was made, the ClientHello was sent, and nothing (or not all) came within the step's "
    "timeout.",
    references=(refs.RFC_8899,),
    stops=Stops.TLS,
    in_front=InFront.POOL,
    with_servers=True,
    needs=HANDSHAKES,
)
def handshake_stalled(context: RuleContext) -> Answers:
    shaken = [place for place in context.client_places if _answered(handshakes(context, place))]
    stalled = sorted(_failed_at(context, _SILENCE), key=lambda each: not each[0].fqdn)
    addresses = {place.address for place, _, _ in stalled}
    everywhere = len(addresses) >= STALLED_EVERYWHERE and not any(
        _answered(all_handshakes(context, place)) for place in context.places
    )
    why = (
        f", nor do the {len(addresses) - 1} other addresses: large packets are lost on the way (path MTU), or "
        "something holds TLS"
    )
    frozen = FROZEN if shaken else OR_THE_WAY
    for place, shake, failure in stalled[:1] if everywhere else stalled:
        yield Hit(
            # This desktop's handshakes get through to others of the cluster: the server comes before the way.
            owner=Owner.SERVER if shaken else None,
            remedy=_RESTART if shaken else _ON_THE_WAY if everywhere else None,
            subject=context.subject_of(place),
            summary=f"{sentence_start(context.name_of(place))} accepts connections but never "
            f"answers the TLS handshake{why if everywhere else and_behind(context, place) or frozen}.",
            severity=by_subject(place),
            evidence=(shake.id,),
            args=_facts(place, context, failure),
        )


# --- versions and what is negotiated -----------------------------------------------------------------------


_SEVERAL = "{place} leads to servers that differ, so that handshakes there are not one server's"


def _at(context: RuleContext, place: EndpointStatus) -> tuple[Handshake, ...]:
    """Every handshake under the place's own name, probes of one version included."""
    return tuple(shake for shake in all_handshakes(context, place) if named(shake, place))


def _newest(shakes: Sequence[Handshake]) -> str | None:
    spoken = [shake.version for shake in shakes if _spoke(shake) and shake.version in _AGE]
    return max((version for version in spoken if version), key=_AGE.__getitem__, default=None)


def _too_old(shakes: Sequence[Handshake]) -> str | None:
    """What the server speaks at most, where that is under TLS 1.2; None otherwise."""
    newest = _newest(shakes)
    if newest is not None:
        return newest if _AGE[newest] < _AGE[OLDEST_GOOD] else None
    usual = [shake for shake in shakes if shake.offered is None]
    return "a version older than TLS 1.0" if usual and all(map(_by_version, usual)) else None


def _by_version(shake: Handshake) -> bool:
    """Did our own library refuse the version that the server chose?"""
    failed = shake.failure
    return failed is not None and failed.cause is Cause.LOCAL_POLICY and "PROTOCOL" in failed.detail.upper()


def _shown(version: str) -> str:
    """ "TLSv1" as people write it: "TLS 1.0"."""
    words = {"SSLv3": "SSL 3", "TLSv1": "TLS 1.0"}
    return words.get(version, version.replace("TLSv", "TLS "))


@card(
    code="TLS004",
    name="legacy-protocol",
    title="Outdated TLS version",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The server speaks nothing newer than TLS 1.1.",
    why="TLS 1.0 and 1.1 are withdrawn (RFC 8996) and turned off in current operating systems: clients there cannot "
    "connect at all, old ones still can.",
    remedy="1. Enable TLS 1.2 and 1.3 there.\n2. If the version in use has neither, update it.",
    seen_by="A handshake that offers TLS 1.0 and up, with a permissive policy that never judges trust, and the "
    "version that the server chose.",
    references=(refs.RFC_8996,),
    role=Role.OUR_POLICY,
)
def legacy_protocol(context: RuleContext) -> Answers:
    tried = False
    for place in context.places:
        shakes = _at(context, place)
        tried = tried or _answered(shakes)
        version = _too_old(shakes) if shakes else None
        if version is None:
            continue
        if any(
            _AGE.get(sample.version or "", 0) >= _AGE[OLDEST_GOOD] for sample in samples_at(context, place)
        ):
            yield NotObserved(_SEVERAL.format(place=context.name_of(place)))
            continue
        yield Hit(
            subject=context.subject_of(place),
            summary=(
                f"{sentence_start(context.name_of(place))} speaks nothing newer than {_shown(version)}."
            ),
            evidence=tuple(shake.id for shake in shakes),
            args={"place": context.name_of(place), "version": version},
        )
    if not tried:
        yield NotObserved("no TLS handshake succeeded")


@card(
    code="TLS008",
    name="legacy-cryptography",
    title="Outdated TLS cryptography",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The server speaks TLS 1.2 or newer, and only with a key exchange or cipher that current TLS libraries "
    "refuse.",
    why="Old clients connect; browsers and current operating systems refuse, or will soon. So some desktops work and "
    "others do not, with the same server.",
    remedy="Enable cipher suites with elliptic-curve Diffie-Hellman (ECDHE) and AES-GCM on the server, or on the "
    "load balancer if TLS ends there.",
    seen_by="Every handshake with the default policy of a current library fails, one with a permissive policy (small "
    "Diffie-Hellman groups, old ciphers) succeeds with TLS 1.2, and the certificate's own key is not the reason "
    "(that is CRT011). An address that leads to several servers, some of which take the default policy, is left to "
    "what is said of each server.",
    references=(refs.RFC_9325,),
    role=Role.OUR_POLICY,
)
def legacy_cryptography(context: RuleContext) -> Answers:
    tried = False
    for place in context.places:
        shakes = handshakes(context, place)
        spoken = [shake for shake in shakes if _spoke(shake)]
        tried = tried or bool(spoken)
        if not spoken or any(shake.policy != "legacy" for shake in spoken):
            continue
        if _too_old(_at(context, place)) or any(_about_certificate(shake) for shake in shakes):
            continue
        if _meets_current(context, place):
            yield NotObserved(_SEVERAL.format(place=context.name_of(place)))
        else:
            yield _old_only(context, place, spoken[0], shakes)
    if not tried:
        yield NotObserved("no TLS handshake succeeded")


def _old_only(
    context: RuleContext, place: EndpointStatus, chosen: Handshake, shakes: Sequence[Handshake]
) -> Hit:
    return Hit(
        subject=context.subject_of(place),
        summary=f"{sentence_start(context.name_of(place))} connects only with {chosen.cipher or 'a cipher'}, which "
        "current TLS libraries refuse.",
        evidence=tuple(shake.id for shake in shakes),
        args={
            "place": context.name_of(place),
            "version": chosen.version or "",
            "cipher": chosen.cipher or "",
            "key_exchange": chosen.key_exchange or "",
        },
    )


def _meets_current(context: RuleContext, place: EndpointStatus) -> bool:
    """Did a server there take what a current library offers, though another handshake failed?

    TLS 1.3 has no suite and no group that the default policy leaves out, so that one under the permissive policy
    shows it too (RFC 8446 sections 4.2.7 and B.4).
    """
    shakes = all_handshakes(context, place)
    if any(_spoke(shake) and (shake.policy != "legacy" or shake.version == "TLSv1.3") for shake in shakes):
        return True
    return any(sample.version is not None and sample.failure is None for sample in samples_at(context, place))


def _about_certificate(shake: Handshake) -> bool:
    """Was it refused by our own library for a certificate's key or signature?"""
    failed = shake.failure
    if failed is None or failed.cause is not Cause.LOCAL_POLICY:
        return False
    return shake.trust is not None or "EE_KEY" in failed.detail or "CA_" in failed.detail


@card(
    code="TLS009",
    name="newest-protocol-only",
    title="TLS 1.3 only",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The server speaks TLS 1.3 only.",
    why="What uses the TLS of Windows 10 or older, or OpenSSL 1.0, speaks TLS 1.2 at most and cannot connect, while "
    "browsers and current systems can. So some desktops work and others do not, with the same server.",
    remedy="Enable TLS 1.2 beside TLS 1.3 on the server, or on the load balancer if TLS ends there, until no such "
    "client is left.",
    seen_by="A handshake that offers TLS 1.2 alone is refused, one that offers TLS 1.3 succeeds.",
    references=(refs.WINDOWS_VERSIONS, refs.RFC_9325),
)
def newest_protocol_only(context: RuleContext) -> Answers:
    yield from _for_clients(context, "tls-1.3-only")


@card(
    code="TLS010",
    name="insecure-renegotiation",
    title="No secure renegotiation",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="What ends TLS does not support secure renegotiation (RFC 5746).",
    why="Programs on OpenSSL 3 refuse such a server (“unsafe legacy renegotiation disabled”): curl, Python, and "
    "health checks on current systems. Browsers and Windows still connect, so that only some programs fail.",
    remedy="1. Update the TLS software of the load balancer or security gateway that ends TLS, or of the server: it "
    "is from before 2010, or has RFC 5746 switched off.\n"
    "2. Or enable TLS 1.3 there, which has no renegotiation.",
    seen_by="OpenSSL 3, which this program uses, refused the handshake for this reason, and it succeeded where that "
    "was allowed.",
    references=(refs.RFC_5746, refs.OPENSSL_3),
)
def insecure_renegotiation(context: RuleContext) -> Answers:
    yield from _for_clients(context, "insecure-renegotiation")


def _for_clients(context: RuleContext, kind: str) -> Answers:
    """A hit for each obstacle of that kind: who cannot connect, and where."""
    for refusal in refusals(context, kind):
        yield Hit(
            subject=subject(refusal.places, context),
            summary=f"{refusal.whom} cannot connect at {where(refusal.places, context)}: {refusal.why}.",
            evidence=tuple(shake.id for place in refusal.places for shake in _at(context, place)),
            args={"clients": ", ".join(refusal.clients)},
        )
    if not any(_at(context, place) for place in context.client_places):
        yield NotObserved("no TLS handshake succeeded")


@card(
    code="TLS005",
    name="members-differ",
    title="Servers differ in TLS",
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    summary="The members' client interfaces negotiate different TLS versions, key exchanges or certificate key types "
    "with the same client.",
    why="A client that works with one member may fail with another after a failover. Members that differ were "
    "usually updated or configured at different times.",
    remedy="Bring all members to the same version and TLS settings, and give them the same certificate.",
    seen_by="One handshake with the same offer to each client interface: the newest version, the key exchange and "
    "the type of the certificate's key that came out.",
    references=(refs.KB_156803, refs.RFC_9325),
)
def members_differ(context: RuleContext) -> Answers:
    places = tuple(place for place in context.places if place.client_of)
    seen: dict[str, list[tuple[EndpointStatus, dict[str, str]]]] = {}
    for place in places:
        for name in place.client_of:
            facts = _negotiated(context, place)
            if facts is not None:
                seen.setdefault(name, []).append((place, facts))
    if len(seen) < 2:
        yield NotObserved("fewer than two client interfaces answered a TLS handshake")
        return
    differences = tuple(_differences([one for several in seen.values() for one in several]))
    if differences:
        yield _members_hit(differences, context)


def _differences(
    everyone: Sequence[tuple[EndpointStatus, dict[str, str]]],
) -> Iterator[tuple[str, dict[str, list[EndpointStatus]]]]:
    """What is not the same everywhere: which fact, and the places by its value."""
    for what in ("version", "key exchange", "certificate key"):
        groups: dict[str, list[EndpointStatus]] = {}
        for place, facts in everyone:
            if what in facts:
                groups.setdefault(facts[what], []).append(place)
        if len(groups) > 1:
            yield what, groups


def _negotiated(context: RuleContext, place: EndpointStatus) -> dict[str, str] | None:
    """What came out of the first handshake that succeeded; what was not seen is left out."""
    shake = next((shake for shake in handshakes(context, place) if _spoke(shake)), None)
    if shake is None:
        return None
    certificate = context.certificate(shake.chain[0] if shake.chain else None)
    newest = _newest(_at(context, place))
    found = {
        "version": _shown(newest) if newest else None,
        "key exchange": shake.key_exchange,
        "certificate key": certificate.key_type if certificate else None,
    }
    return {what: value for what, value in found.items() if value is not None}


def _members_hit(
    differences: Sequence[tuple[str, dict[str, list[EndpointStatus]]]], context: RuleContext
) -> Hit:
    words = [
        f"{what} {listed([f'{value} at {where(places, context)}' for value, places in groups.items()])}"
        for what, groups in differences
    ]
    places = dict.fromkeys(
        place for _, groups in differences for several in groups.values() for place in several
    )
    return Hit(
        subject=Subject("cluster", context.target.fqdn),
        summary=f"The members negotiate TLS differently: {'; '.join(words)}.",
        evidence=tuple(shake.id for place in places for shake in handshakes(context, place) if _spoke(shake)),
        args={what.replace(" ", "_"): ", ".join(groups) for what, groups in differences},
    )


@card(
    code="TLS006",
    name="client-certificate-requested",
    title="Client certificate requested",
    severity=Severity.INFO,
    owner=Owner.SERVER,
    summary="The server asks clients for a certificate of their own.",
    why="Some programs then ask the user to choose a certificate, and some fail if there is none. It was not needed "
    "for the handshake here.",
    remedy="If clients are not meant to identify themselves by certificate, turn the request off on the server or "
    "the load balancer.",
    seen_by="A CertificateRequest message during the handshake. One that a server sends only later is not seen.",
    references=(refs.RFC_8446,),
)
def client_certificate_requested(context: RuleContext) -> Answers:
    asking: dict[EndpointStatus, str] = {}
    known = False
    for place in context.places:
        for shake in handshakes(context, place):
            known = known or shake.client_certificate_requested is not None
            if shake.client_certificate_requested:
                asking.setdefault(place, shake.id)
    if asking:
        places = tuple(asking)
        yield Hit(
            subject=subject(places, context),
            summary=f"A client certificate is asked for at {where(places, context)}.",
            evidence=tuple(asking.values()),
            args={"places": ", ".join(context.name_of(place) for place in places)},
            facts=Facts(places=endpoints(places)),
        )
    elif not known:
        yield NotObserved("no handshake got as far as a request for a client certificate")


def _is_another(context: RuleContext, place: EndpointStatus, bare: Handshake) -> bool:
    """Is the certificate without a name none of those with it? What shows several in turn does so either way."""
    with_name = {shake.chain[0] for shake in handshakes(context, place) if shake.chain}
    return bool(bare.chain) and bare.chain[0] not in with_name | sampled_at(context, place)


@card(
    code="TLS007",
    name="needs-sni",
    title="Wrong or no certificate without SNI",
    impact=ImpactKind.SOME_CLIENTS_CANNOT,
    severity=Severity.WARNING,
    owner=Owner.SERVER,
    severity_note="info where the handshake without a name is refused, as by servers strict about names: the clients "
    "send one",
    summary="A client that does not send the server's name (SNI) is shown another certificate, or refused.",
    why="Several sites share the address. Old clients, and load balancers' health checks, send no server name: they "
    "get another site's certificate and fail or warn.",
    remedy="Make the clients' certificate the default of this address on the server or load balancer.",
    seen_by="A second handshake without the server name extension, compared with the one that sent the name. A "
    "refusal counts only where nothing else at that address failed likewise: a dead server in a pool refuses with a "
    "name, too.",
    references=(refs.RFC_6066,),
    in_front=InFront.KNOWN_END_OF_TLS,
)
def needs_sni(context: RuleContext) -> Answers:
    compared = False
    groups: dict[str | None, list[tuple[EndpointStatus, Handshake, Handshake]]] = {}
    for place in context.client_places:
        usual = next((shake for shake in _modern(handshakes(context, place)) if _spoke(shake)), None)
        bare = next(_modern(_without_name(context, place)), None)
        if place.sni is None or is_address(place.sni) or usual is None or bare is None or not usual.chain:
            continue
        compared = True
        if not _spoke(bare) and _fails_anyway(context, place):
            yield NotObserved(f"handshakes with a name fail as well at {context.name_of(place)}")
        elif _spoke(bare) and _is_another(context, place, bare):
            groups.setdefault(bare.chain[0], []).append((place, usual, bare))
        elif bare.cause in _REFUSAL:
            groups.setdefault(None, []).append((place, usual, bare))
    unnamed = tuple(_as_usual_without_name(context))
    for shown, seen in groups.items():
        yield _sni_hit(shown, seen, context, unnamed)
    if not compared:
        yield NotObserved("no handshake without a server name was made beside one with it")


def _fails_anyway(context: RuleContext, place: EndpointStatus) -> bool:
    """Does a client that sends the name fail there as well, some of the time?

    A probe of TLS 1.2 alone may meet a rightful alert; a close, a reset or silence in answer to it is none.
    """
    for shake in _at(context, place):
        ended = shake.cause
        if shake.offered is None and shake.policy != "legacy" and ended in _ENDED:
            return True
        if shake.offered == OLDEST_GOOD and ended in _ENDED - {Cause.ALERT}:
            return True
    ends = [sample.failure for sample in samples_at(context, place) if sample.failure is not None]
    return any(end.phase is not Phase.HTTP and end.cause in _ENDED for end in ends)


def _as_usual_without_name(context: RuleContext) -> Iterator[EndpointStatus]:
    """The members' own client interfaces that show a client without a name what they show everybody."""
    for place in context.client_places:
        if place.stands_by:
            usual = {shake.chain[0] for shake in handshakes(context, place) if shake.chain}
            shown = {shake.chain[0] for shake in _without_name(context, place) if shake.chain}
            if shown and shown <= usual:
                yield place


def _modern(shakes: Iterable[Handshake]) -> Iterator[Handshake]:
    """Without those of the permissive policy: with and without a name, the same offer is compared."""
    return (shake for shake in shakes if shake.policy != "legacy")


def _without_name(context: RuleContext, place: EndpointStatus) -> Iterator[Handshake]:
    return (shake for shake in all_handshakes(context, place) if shake.sni is None and shake.offered is None)


_BALANCER_CHOOSES = (
    "The servers themselves show their certificate to a client that sends no name, so that it is the load balancer "
    "that chooses by the name. Make this service the default of the address there: the default pool of a rule by "
    "server name, or the default certificate where TLS ends on the balancer."
)


def _sni_hit(
    shown: str | None,
    seen: Sequence[tuple[EndpointStatus, Handshake, Handshake]],
    context: RuleContext,
    unnamed: Sequence[EndpointStatus],
) -> Hit:
    """shown: the certificate that is presented without a name, None where the handshake is refused.

    unnamed: members' own interfaces that need no name.
    """
    certificate = context.certificate(shown)
    which = f", {title(certificate)}," if certificate else ""
    what = "the handshake is refused" if shown is None else f"another certificate{which} is presented"
    places = tuple(place for place, _, _ in seen)
    in_front = all(place.in_front for place in places)
    chooses = bool(unnamed) and in_front
    return Hit(
        severity=Severity.INFO if shown is None else None,
        subject=subject(places, context),
        owner=Owner.BALANCER if chooses else None,
        remedy=_BALANCER_CHOOSES if chooses else None,
        summary=f"At {where(places, context)}, {what} when the client sends no server name (SNI).",
        evidence=tuple(shake.id for _, usual, bare in seen for shake in (usual, bare)),
        args={
            "places": ", ".join(context.name_of(place) for place in places),
            "other": shown or "",
        },
        facts=Facts(places=endpoints(places)),
    )
