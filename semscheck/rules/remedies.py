"""Remedies as numbered steps, and the load balancer's settings in the words of its vendor.

The vendor is the profile's `balancer_vendor`, or the one that its cookies and pages name; in general words where
neither is known.
"""

from __future__ import annotations

import re

from semscheck.model.analysis import BalancingPath, Termination
from semscheck.model.target import DEFAULT_PORT, Target
from semscheck.model.vendors import VENDORS, VendorWords, words_for

STEP_WORDS = 30  # of a first step, which stands in the first lines of every output


INSTALL = (
    "Install it on Interface 2 of every server, and on a load balancer that ends TLS: it is not replicated."
)


def steps(*texts: str) -> str:
    """One remedy: numbered lines, or the step itself where there is one; empty and repeated ones are left out."""
    kept = [*dict.fromkeys(text for text in texts if text)]
    return "\n".join(f"{n}. {text}" for n, text in enumerate(kept, 1)) if len(kept) > 1 else "".join(kept)


def vendor_words(target: Target, path: BalancingPath | None = None) -> VendorWords:
    """The words of the profile's vendor, else of the one that was seen, else general ones."""
    if target.balancer_vendor:
        return VENDORS[target.balancer_vendor]
    return words_for(path.vendor if path is not None else None)


# A network that leaves by several addresses is several clients for persistence by source IP: seen from there, none.
SEVERAL_EXITS = (
    "If persistence by source IP is on already, this desktop's network may leave by several addresses (two lines, a "
    "proxy farm, NAT): compare the clients' addresses in the load balancer's log, and keep clients by cookie or by "
    "network instead."
)


def kept(words: VendorWords, path: BalancingPath) -> tuple[str, ...]:
    """The steps by which clients are kept, where nothing was seen to keep them: by cookie only where TLS is known to
    end at the load balancer.
    """
    if words.cookie and path.termination is Termination.TERMINATED:
        return (say(words.cookie),)
    return say(words.source), SEVERAL_EXITS


def for_name(remedy: str, target: Target) -> str:
    """With the name itself where a card, which holds for every name, says "the clients' FQDN"."""
    name = target.fqdn_shown or target.fqdn
    typed = name if target.port == DEFAULT_PORT else f"{name} --port {target.port}"
    remedy = remedy.replace("init NAME ", f"init {typed} ")
    named = re.sub(r"[Tt]he (?:clients' )?FQDN\b", name, remedy)
    return re.sub(r"\bthe clients' certificate\b", f"the certificate for {name}", named)


def say(step: str) -> str:
    """As a sentence."""
    return f"{step[:1].upper()}{step[1:]}."
