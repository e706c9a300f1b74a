"""The bill of materials of a frozen folder, CycloneDX 1.6: `bill.py bundled.json TARGET --version V`.

Runs with cyclonedx-python-lib, which also validates what was written. Hashes of the packages' files are those of the
locked requirements. Serial number and time follow from the content, so that the same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

HERE = Path(__file__).resolve().parent
NAMESPACE = uuid.UUID(
    "6f0f2b1e-6a2c-5d0f-9f0a-2c1f3f6b9d10"
)  # of this program's bills; any fixed one will do


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notes", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--version", required=True)
    options = parser.parse_args()
    notes = json.loads(options.notes.read_text(encoding="utf-8"))
    text = JsonV1Dot6(_bill(notes, options.version)).output_as_string(indent=2) + "\n"
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        print(f"not valid: {problem}", file=sys.stderr)
        return 1
    options.target.write_text(text, encoding="utf-8", newline="\n")
    print(f"  {options.target.name}: {len(json.loads(text)['components'])} components")
    return 0


def _bill(notes: dict[str, Any], version: str) -> Bom:
    program = Component(
        name="semscheck",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref="semscheck",
        licenses=[LicenseFactory().make_from_string("Apache-2.0")],
        purl=PackageURL("pypi", None, "semscheck", version),
    )
    parts = [_python(notes["python"]), *_packages(notes), *_libraries(notes), *_sources(notes)]
    content = json.dumps(notes, sort_keys=True) + version
    moment = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    bill = Bom(
        components=parts,
        serial_number=uuid.uuid5(NAMESPACE, content),
        metadata=BomMetaData(component=program, timestamp=moment),
    )
    bill.register_dependency(program, parts)
    return bill


def _python(found: dict[str, Any]) -> Component:
    return Component(
        name="CPython",
        version=found["version"],
        type=ComponentType.PLATFORM,
        bom_ref="cpython",
        licenses=[LicenseFactory().make_from_string("Python-2.0")],
        properties=[Property(name="semscheck:openssl", value=found["openssl"])],
    )


def _packages(notes: dict[str, Any]) -> Iterator[Component]:
    locked = _locked_hashes()
    for found in notes["packages"]:
        name, version = _normal(found["name"]), found["version"]
        yield Component(
            name=name,
            version=version,
            bom_ref=f"pypi:{name}",
            description=found["summary"],
            licenses=[LicenseFactory().make_from_string(found["licence"])] if found["licence"] else [],
            purl=PackageURL("pypi", None, name, version),
            # Of every file of that version that may be installed; the index's names are the only ones that count.
            properties=[
                Property(name="semscheck:locked-sha256", value=digest)
                for digest in sorted(locked.get(name, ()))
            ],
        )


def _libraries(notes: dict[str, Any]) -> Iterator[Component]:
    for found in notes["libraries"]:
        yield Component(
            name=found["name"],
            version=found["version"],
            bom_ref=f"library:{found['file']}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=found["sha256"])] if found["sha256"] else [],
            properties=[Property(name="semscheck:file", value=found["file"])],
            description="the file as it was before debugging symbols were taken out"
            if found["sha256"]
            else "compiled into the program that starts everything",
        )


def _sources(notes: dict[str, Any]) -> Iterator[Component]:
    """Debian's source packages with the hashes of their files, as the suite's signed index has them."""
    for found in notes["sources"]:
        name, version = found["package"], found["version"]
        yield Component(
            name=name,
            version=version,
            bom_ref=f"source:{name}",
            description="the source package that CPython and its OpenSSL were built from",
            purl=PackageURL("deb", "debian", name, version, {"arch": "source"}),
            external_references=[
                ExternalReference(
                    type=ExternalReferenceType.SOURCE_DISTRIBUTION,
                    url=XsUri(f"{found['directory']}/{file['name']}"),
                    hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file["sha256"])],
                )
                for file in found["files"]
            ],
        )


def _locked_hashes() -> dict[str, list[str]]:
    """The hashes in the locked requirements, by the normalised name of the package."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in (HERE / "requirements" / "program.txt").read_text(encoding="ascii").splitlines():
        if started := re.match(r"([A-Za-z0-9._-]+)==", line):
            name = _normal(started[1])
        if digest := re.search(r"--hash=sha256:([0-9a-f]{64})", line):
            found.setdefault(name, []).append(digest[1])
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
