"""Describes the per-user installer to WiX: `installer.py FOLDER VERSION TARGET.wxs`.

For whoever has no administrator's rights: into %LOCALAPPDATA%\\Programs\\semscheck, with a shortcut that opens the
screens in a console, and the folder in the user's PATH. Each component's key is in HKEY_CURRENT_USER and each
directory is removed again, as Windows Installer wants of per-user components (ICE38, ICE64). Understood by wixl
(msitools) and by WiX 3.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

UPGRADE_CODE = "9B1F3C52-6E0D-4A51-8C64-0B7E6B1E51D4"  # names the product through all versions; never changes
KEY = r"Software\semscheck\Installer"


def describe(folder: Path, version: str) -> str:
    """The .wxs for every file of the folder."""
    components: list[str] = []
    tree = _directory(folder, folder, components, "      ")
    references = "\n".join(f'      <ComponentRef Id="{name}"/>' for name in components)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="*" Name="semscheck" Language="1033" Version="{version}" Manufacturer="The semscheck project"
           UpgradeCode="{UPGRADE_CODE}">
    <Package InstallerVersion="500" Compressed="yes" InstallScope="perUser"
             Description="Checks clusters of Symantec Encryption Management Servers"/>
    <MajorUpgrade DowngradeErrorMessage="A newer version of semscheck is installed."/>
    <Media Id="1" Cabinet="semscheck.cab" EmbedCab="yes"/>
    <Icon Id="semscheck.ico" SourceFile={quoteattr(str(Path(__file__).parents[1] / "icon" / "semscheck.ico"))}/>
    <Property Id="ARPPRODUCTICON" Value="semscheck.ico"/>
    <Property Id="ARPURLINFOABOUT" Value="https://github.com/semscheck/semscheck"/>
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="LocalAppDataFolder">
        <Directory Id="ProgramsFolder" Name="Programs">
          <Directory Id="INSTALLDIR" Name="semscheck">
{tree}
            <Component Id="Path" Guid="5E0C7F0B-4B69-4B0C-9C0D-3D1B9A8E2F11">
              <RegistryValue Root="HKCU" Key="{KEY}" Name="Path" Type="integer" Value="1" KeyPath="yes"/>
              <Environment Id="PathEntry" Name="PATH" Action="set" Part="last" System="no" Value="[INSTALLDIR]"/>
              <RemoveFolder Id="RemoveINSTALLDIR" On="uninstall"/>
            </Component>
          </Directory>
        </Directory>
      </Directory>
      <Directory Id="ProgramMenuFolder">
        <Component Id="Shortcut" Guid="C1B7D6E6-7A6B-4E52-A2C4-8B1C3E0E7A77">
          <RegistryValue Root="HKCU" Key="{KEY}" Name="Shortcut" Type="integer" Value="1" KeyPath="yes"/>
          <Shortcut Id="Screens" Name="semscheck" Target="[INSTALLDIR]semscheck.exe" WorkingDirectory="INSTALLDIR"
                    Description="Checks a cluster of key servers" Icon="semscheck.ico"/>
        </Component>
      </Directory>
    </Directory>
    <Feature Id="Program" Level="1">
{references}
      <ComponentRef Id="Path"/>
      <ComponentRef Id="Shortcut"/>
    </Feature>
  </Product>
</Wix>
"""


def _directory(root: Path, directory: Path, components: list[str], indent: str) -> str:
    lines: list[str] = []
    for path in sorted(directory.iterdir()):
        name = path.relative_to(root).as_posix()
        short = _identifier(name)
        if path.is_dir():
            inside = _directory(root, path, components, indent + "  ")
            lines += [f'{indent}<Directory Id="d{short}" Name={quoteattr(path.name)}>', inside]
            lines += [_emptied(short, components, indent + "  "), f"{indent}</Directory>"]
        else:
            components.append(f"c{short}")
            lines += [
                f'{indent}<Component Id="c{short}" Guid="{_guid(name)}" Win64="yes">',
                f'{indent}  <RegistryValue Root="HKCU" Key="{KEY}" Name="c{short}" Type="integer" Value="1" '
                'KeyPath="yes"/>',
                f'{indent}  <File Id="f{short}" Name={quoteattr(path.name)} Source={quoteattr(str(path))}/>',
                f"{indent}</Component>",
            ]
    return "\n".join(lines)


def _emptied(short: str, components: list[str], indent: str) -> str:
    components.append(f"r{short}")
    return (
        f'{indent}<Component Id="r{short}" Guid="{_guid("remove " + short)}" Win64="yes">'
        f'<RegistryValue Root="HKCU" Key="{KEY}" Name="r{short}" Type="integer" Value="1" KeyPath="yes"/>'
        f'<RemoveFolder Id="rf{short}" On="uninstall"/></Component>'
    )


def _identifier(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def _guid(name: str) -> str:
    """The same for the same file in every version, as component rules want it."""
    digits = hashlib.sha256(f"{UPGRADE_CODE} {name}".encode()).hexdigest().upper()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(describe(Path(sys.argv[1]).resolve(), sys.argv[2]), encoding="utf-8")
