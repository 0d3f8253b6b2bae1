# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the wheel: PEP 427, with the metadata of pyproject.toml. wheel.py SOURCE LIBRARY OUT"""

import base64
import hashlib
import re
import sys
import sysconfig
import zipfile
from pathlib import Path

TIME = (1980, 1, 1, 0, 0, 0)  # the same build gives the same bytes


def project(text: str) -> dict:
    """Of pyproject.toml what a wheel states. Python before 3.11 has no reader of TOML; these members are plain."""
    def one(key: str) -> str:
        return re.search(rf'^{key} = "(.*)"$', text, re.M).group(1)

    def many(key: str) -> list:
        return re.findall(r'"(.*?)"', re.search(rf"^{key} = \[(.*)\]$", text, re.M).group(1))

    extras = re.search(r"^\[project.optional-dependencies\]\n((?:\w+ = .*\n)+)", text, re.M).group(1)
    return {"name": one("name"), "version": one("version"), "summary": one("description"),
            "python": one("requires-python"), "needs": many("dependencies"), "classifiers": many("classifiers"),
            "extras": {line.split(" = ")[0]: re.findall(r'"(.*?)"', line) for line in extras.splitlines()}}


def platform() -> str:
    """Of this machine, which has just built the library. Not manylinux: that would promise that nothing outside
    the wheel is needed, but the libraries of tpm2-tss are."""
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def metadata(of: dict, readme: str) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {of['name']}", f"Version: {of['version']}",
             f"Summary: {of['summary']}", "License: Apache-2.0", f"Requires-Python: {of['python']}"]
    lines += [f"Classifier: {text}" for text in of["classifiers"]]
    lines += [f"Requires-Dist: {need}" for need in of["needs"]]
    for extra, needs in of["extras"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {need} ; extra == "{extra}"' for need in needs]
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", readme])


def main(source: Path, library: Path, out: Path) -> None:
    of = project((source / "pyproject.toml").read_text())
    tag = f"py3-none-{platform()}"
    info = f"{of['name']}-{of['version']}.dist-info"
    package = source / "src" / of["name"]
    files = {f"{of['name']}/{path.name}": path.read_bytes() for path in sorted(package.glob("*.py"))}
    files[f"{of['name']}/py.typed"] = b""
    files[f"{of['name']}/{library.name}"] = library.read_bytes()
    files[f"{info}/METADATA"] = metadata(of, (source / "README.md").read_text()).encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: ketseal\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    wheel = out / f"{of['name']}-{of['version']}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name.endswith(".so.0") else 0o100644) << 16
            archive.writestr(entry, data)
    print(wheel)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
