"""What kind of text a field of the model holds, said beside the field: redaction goes by it.

A text field that has none of these kinds loses every word that is not known, so that a new one cannot slip through.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated


class TextKind(StrEnum):
    """What kind of text a field holds, and so what redaction makes of it."""

    KEEP = "keep"  # closed lists, numbers as text, our own constants
    OWN = "own"  # semscheck's words: what the rest of the report gave away is replaced
    FOREIGN = "foreign"  # from the network or the desktop: only known words stay
    SPEECH = "speech"  # foreign, and its unknown words are an organisation's: titles, banners
    ADDRESS = "address"
    ADDRESSES = "addresses"  # a sorted list; sorted again
    ENDPOINT = "endpoint"  # "address:port", IPv6 in brackets
    NAME = "name"
    MEMBER = "member"  # a member's name, or a label of ours such as "server A"
    HOST = "host"  # this desktop's own name
    COMMON_NAME = "common-name"
    SUBJECT = "subject"  # a distinguished name as text
    HEX = "hex"  # fingerprints and key ids: public logs find a host by them
    SERIAL = "serial"
    VERSION = "version"
    HEADERS = "headers"
    COOKIE_NAME = "cookie-name"
    RECORD = "record"  # an address, a name, or text
    DETAIL = "detail"  # an error's own words, with foreign parts in quotes
    TRACE = "trace"
    OPTIONS = "options"
    ARGS = "args"
    DROP = "drop"


Kept = Annotated[str, TextKind.KEEP]
Words = Annotated[str, TextKind.OWN]
Foreign = Annotated[str, TextKind.FOREIGN]
Speech = Annotated[str, TextKind.SPEECH]
Address = Annotated[str, TextKind.ADDRESS]
SortedAddresses = Annotated[tuple[str, ...], TextKind.ADDRESSES]
AddressAndPort = Annotated[str, TextKind.ENDPOINT]
HostName = Annotated[str, TextKind.NAME]
MemberName = Annotated[str, TextKind.MEMBER]
DesktopName = Annotated[str, TextKind.HOST]
CommonName = Annotated[str, TextKind.COMMON_NAME]
DistinguishedName = Annotated[str, TextKind.SUBJECT]
Hex = Annotated[str, TextKind.HEX]
SerialNumber = Annotated[str, TextKind.SERIAL]
ProductVersion = Annotated[str, TextKind.VERSION]
Headers = Annotated[tuple[tuple[str, str], ...], TextKind.HEADERS]
CookieName = Annotated[str, TextKind.COOKIE_NAME]
RecordData = Annotated[str, TextKind.RECORD]
ErrorWords = Annotated[str, TextKind.DETAIL]
StackTrace = Annotated[str, TextKind.TRACE]
Options = Annotated[dict[str, str], TextKind.OPTIONS]
Arguments = Annotated[dict[str, str], TextKind.ARGS]
Dropped = Annotated[bytes, TextKind.DROP]
