"""Remedies as numbered steps, and the load balancer's settings in the words of its vendor.

The vendor is the profile's `balancer_vendor`, or the one that its cookies and pages name; in general words where
neither is known.
"""

from __future__ import annotations

from semscheck.model.analysis import BalancingPath, Termination
from semscheck.model.target import Target
from semscheck.model.vendors import VENDORS, VendorWords, words_for


def steps(*texts: str) -> str:
    """One remedy: numbered lines, or the step itself where there is one; empty and repeated ones are left out."""
    kept = [*dict.fromkeys(text for text in texts if text)]
    return "\n".join(f"{n}. {text}" for n, text in enumerate(kept, 1)) if len(kept) > 1 else "".join(kept)


def vendor_words(target: Target, path: BalancingPath | None = None) -> VendorWords:
    """The words of the profile's vendor, else of the one that was seen, else general ones."""
    if target.balancer_vendor:
        return VENDORS[target.balancer_vendor]
    return words_for(path.vendor if path is not None else None)


def persistence(words: VendorWords, path: BalancingPath | None = None) -> str:
    """How to keep clients: by cookie only where TLS is known to end at the load balancer."""
    ends = path is not None and path.termination is Termination.TERMINATED
    return words.cookie if ends and words.cookie else words.source


def say(step: str) -> str:
    """As a sentence."""
    return f"{step[:1].upper()}{step[1:]}."
