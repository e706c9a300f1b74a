#!/bin/sh
# Has Apple notarise an archive: notarise.sh ARCHIVE.zip. Needs APPLE_ID, APPLE_TEAM and APPLE_PASSWORD. A command line
# program in a folder cannot carry the ticket; Gatekeeper asks for it online. Not run yet.
set -eu
xcrun notarytool submit "$1" --apple-id "$APPLE_ID" --team-id "$APPLE_TEAM" --password "$APPLE_PASSWORD" --wait
