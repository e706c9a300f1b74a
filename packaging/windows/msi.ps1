# The per-user installer with WiX 3 (on GitHub's runners). Not run yet; under Wine, wixl makes it from the same
# description (packaging/windows/under_wine.py).
$ErrorActionPreference = 'Stop'
$root = Resolve-Path (Join-Path $PSScriptRoot '..\..')
$folder = Join-Path $root 'build\packaging\dist\semscheck'
$version = (& "$folder\semscheck.exe" --version).Split()[1]
$wxs = Join-Path $root 'build\packaging\semscheck.wxs'
python "$PSScriptRoot\installer.py" $folder $version $wxs
& "$env:WIX\bin\candle.exe" -nologo -arch x64 -out "$root\build\packaging\semscheck.wixobj" $wxs
if ($LASTEXITCODE) { throw 'candle failed' }
& "$env:WIX\bin\light.exe" -nologo -out "$root\dist\semscheck-$version-windows-x86_64.msi" `
    "$root\build\packaging\semscheck.wixobj"
if ($LASTEXITCODE) { throw 'light failed' }
