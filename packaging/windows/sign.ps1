# Signs with the owner's certificate: sign.ps1 FILE... Needs WINDOWS_CERTIFICATE (a .pfx, base64) and its password in
# the environment, and signtool from the Windows SDK. Not run yet: there is no certificate.
param([Parameter(Mandatory, ValueFromRemainingArguments)][string[]]$Files)
$ErrorActionPreference = 'Stop'
$pfx = Join-Path $env:RUNNER_TEMP 'signing.pfx'
[IO.File]::WriteAllBytes($pfx, [Convert]::FromBase64String($env:WINDOWS_CERTIFICATE))
try {
    $kits = Join-Path ${env:ProgramFiles(x86)} 'Windows Kits\10\bin'
    $signtool = Get-ChildItem "$kits\10.*\x64\signtool.exe" | Sort-Object FullName | Select-Object -Last 1
    foreach ($file in $Files) {
        # The time stamp keeps the signature valid after the certificate has expired. The server is the issuer's choice.
        & $signtool.FullName sign /fd SHA256 /td SHA256 /tr $env:WINDOWS_TIMESTAMP_URL /f $pfx `
            /p $env:WINDOWS_CERTIFICATE_PASSWORD $file
        if ($LASTEXITCODE) { throw "signtool failed for $file" }
    }
} finally {
    Remove-Item $pfx
}
