"""What every text that a user meets holds to: plain words, one sentence, thirty words at most."""

from __future__ import annotations

import re

MOST_WORDS = 30
# What read as foreign English, as a code name, or as a claim that one desktop cannot make; with what stands instead.
BANNED = {
    r"fail-over": "failover",
    r"\bmend(ed|s|ing)?\b": "fix, repair",
    r"to be mended": "owner",
    r"\bhealthy\b": "no fault found",
    r"keep its promise": "persistence is broken",
    r"could not be told|cannot be told": "not determined",
    r"which could be told|ends of TLS": "load-balancer nodes",
    r"is not enabled or filtered": "closed or filtered",
    r"round[- ]robin[- ]sticky": "round robin with persistence",
    r"\bsorry page\b": "error page",
    r"\btime-out\b": "timeout",
    r"\borganisation\b": "organization",
    r"\brecognis": "recogniz",
    r"\benrol\b|\benrolment\b": "enroll, enrollment",
    r"\b1 (connections|questions|servers|addresses)\b": "singular",
    r"(?<!load )(?<!load-)\bbalancer's administrator\b": "load balancer administrator",
    r"the authors of semscheck": "only for a crash",
}
JARGON = re.compile(
    r"\b(ClientHello|PSK|RST|FIN|ICMP|SYN|ECONN\w+|EHOST\w+|errno|AIA|EKU|SPKI|NXRRSET|seam|means)\b"
)
_SENTENCES = re.compile(r"(?<=[a-z)\"”])[.!?] +(?=[A-Z\"“])")


def complaints(text: str) -> list[str]:
    """What is wrong with a sentence; empty where nothing is. What is quoted counts as one word, brackets as none."""
    bare = re.sub(r"“[^”]*”|\"[^\"]*\"", "quoted", text)
    found = [f"banned: {pattern}" for pattern in BANNED if re.search(pattern, bare, re.IGNORECASE)]
    found += [f"jargon: {word}" for word in JARGON.findall(bare)]
    words = len(re.findall(r"[^\s]*\w[^\s]*", re.sub(r"\([^()]*\)", "", bare)))
    found += [f"{words} words"] if words > MOST_WORDS else []
    found += ["more than one sentence"] if len(_SENTENCES.split(bare)) > 1 else []
    return found


def banned(text: str) -> list[str]:
    return [pattern for pattern in BANNED if re.search(pattern, text, re.IGNORECASE)]
