#!/bin/sh
# Puts the owner's Developer ID certificate in a keychain of this run. Needs APPLE_CERTIFICATE (a .p12, base64) and
# APPLE_CERTIFICATE_PASSWORD. Not run yet: there is no certificate.
set -eu
keychain="$RUNNER_TEMP/signing.keychain-db"
password=$(openssl rand -hex 24)
printf '%s' "$APPLE_CERTIFICATE" | base64 --decode >"$RUNNER_TEMP/signing.p12"
security create-keychain -p "$password" "$keychain"
security set-keychain-settings -lut 3600 "$keychain"
security unlock-keychain -p "$password" "$keychain"
security import "$RUNNER_TEMP/signing.p12" -P "$APPLE_CERTIFICATE_PASSWORD" -A -t cert -f pkcs12 -k "$keychain"
security set-key-partition-list -S apple-tool:,apple: -k "$password" "$keychain" >/dev/null
security list-keychains -d user -s "$keychain"
rm "$RUNNER_TEMP/signing.p12"
