"""What every text that a user meets holds to: plain words, one sentence, thirty words at most."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

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
    r"(?<!-)\b(colour|behaviour|honour|favour|neighbour|licence|artefact|whilst)": "American spelling",
    r"\b(author|organ|recogn|real|summar|normal|priorit|optim|initial)is(e[ds]?|ing|ation)\b": "-ize",
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


# Where a world is described, or a shape of trouble is looked for, these are right.
IN_SOURCES = [pattern for pattern in BANNED if not re.search("healthy|sorry|authors", pattern)]


def texts_of(source: Path) -> Iterator[str]:
    """Every text of a module that may be shown: what has a blank in it, and is no docstring."""
    docs: set[int] = set()
    for node in ast.walk(ast.parse(source.read_text())):  # what holds a docstring comes before it
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and " " in node.value and id(node) not in docs:
                yield node.value
        elif (
            isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.body
        ):
            docs |= {id(first.value) for first in node.body[:1] if isinstance(first, ast.Expr)}


def prose_of(page: Path) -> str:
    """A page of the documentation without what is typed, quoted as code, or an address."""
    return re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|<[^>\n]*>", " ", page.read_text(), flags=re.DOTALL)
