#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""What deploy/ says is what the programs understand, and the units and compose files are ones. Running them takes root and
minutes: deploy/check.sh.

    deploy.py compose SOURCE                docker-compose knows the schema of both files, and refuses broken copies
    deploy.py units SOURCE BUILD            systemd-analyze takes the units; their users are made; they are confined
    deploy.py commands SOURCE BUILD         each command in units, compose files and scripts has flags that there are
"""
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import yaml

PROGRAMS = {"ketseal": "src/cli/ketseal", "ketseal-launch": "src/server/ketseal-launch", "ketseal-kme": "src/kme/ketseal-kme",
            "ketseal-witness": "src/witness/ketseal-witness"}
COMPOSE = ["deploy/compose.yaml", "deploy/federated/compose.yaml"]
# What each unit has to say, whatever else changes.
HARDENED = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "CapabilityBoundingSet": "",
            "RestrictNamespaces": "yes", "LimitCORE": "0", "Restart": "on-failure", "StateDirectoryMode": "0700"}
EXPOSURE_MAX = 2.0
failures = []


def check(holds, what):
    if not holds:
        failures.append(what)


def need(program):
    if shutil.which(program) is None:
        print(f"deploy: SKIPPED: {program} is absent")
        sys.exit(77)


# --- compose files ----------------------------------------------------------------------------------------


def compose_takes(file):
    return subprocess.run(["docker-compose", "-f", file, "config", "--quiet"], capture_output=True, check=False).returncode == 0


def started_with(services, name):
    """What `docker compose run NAME` starts."""
    needed = set(services[name].get("depends_on", {}))
    return needed.union(*(started_with(services, other) for other in needed))


def check_compose(source):
    need("docker-compose")
    services = yaml.safe_load((source / COMPOSE[1]).read_text())["services"]
    check(started_with(services, "operator") == {"chain", "site", "kme-a", "kme-b"}, "the operator's part is started without what it needs")
    for name in COMPOSE:
        check(compose_takes(source / name), f"{name}: not of the schema")
        with tempfile.TemporaryDirectory() as folder:
            for key in ("read_only", "command"):
                broken = pathlib.Path(folder) / "compose.yaml"
                broken.write_text((source / name).read_text().replace(f"{key}:", f"{key}x:"))
                check(not compose_takes(broken), f"{name}: taken with {key}x")


# --- units ------------------------------------------------------------------------------------------------


def units_of(build):
    return sorted((build / "deploy/systemd").glob("*.service"))


def settings(unit):
    found = {}
    for line in unit.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def check_units(source, build):
    need("systemd-analyze")
    users = re.findall(r"^u (\S+)", (source / "deploy/systemd/ketseal.sysusers.conf").read_text(), re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        for unit in units_of(build):
            said = settings(unit)
            for key, value in HARDENED.items():
                check(said.get(key) == [value], f"{unit.name}: {key} is {said.get(key)}")
            check(said["User"][0] in users, f"{unit.name}: nothing makes {said['User'][0]}")
            check(said["User"] == said["Group"], f"{unit.name}: its group is another's")
            check(said["StateDirectory"][0].split()[0] == said["User"][0], f"{unit.name}: its state is another's")
            # Where it would be installed nothing is yet, and a template has no instance.
            copy = pathlib.Path(folder) / unit.name.replace("@.", "@0123456789abcdef0123456789abcdef.")
            copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE))
            answer = analyze("verify", "--man=no", str(copy))
            check(answer.returncode == 0 and not answer.stderr, f"{unit.name}: {answer.stderr}")
            answer = analyze("security", "--offline=true", f"--threshold={int(10 * EXPOSURE_MAX)}", "--no-pager", str(copy))
            check(answer.returncode == 0, f"{unit.name}: more exposed than {EXPOSURE_MAX}: {answer.stdout.splitlines()[-1:]}")
            copy.write_text(copy.read_text().replace("NoNewPrivileges=", "NoNewPrivilege="))
            check(analyze("verify", "--man=no", str(copy)).stderr != "", f"{unit.name}: taken with NoNewPrivilege")
    check(len(units_of(build)) == 4, "four units")
    check(sorted({settings(unit)["User"][0] for unit in units_of(build)}) == sorted(users), "each unit has a user of its own")


# --- commands ---------------------------------------------------------------------------------------------


class Flags:
    """What the programs' help says that they take."""

    def __init__(self, build):
        self.build = build
        self.known = {}

    def of(self, *words):
        """The flags of `ketseal NOUN VERB`, or None where there is no such command."""
        if words not in self.known:
            answer = subprocess.run([self.build / PROGRAMS["ketseal"], "help", *words], capture_output=True, text=True, check=False)
            known = None
            if answer.returncode == 0:
                known = set(re.findall(r"^  (--[a-z0-9-]+)", answer.stdout, re.MULTILINE))
            self.known[words] = known
        return self.known[words]

    def wrong_with(self, words):
        """What is wrong with the words behind `ketseal`; None: nothing."""
        words = [word for word in words if word not in ("-q", "--quiet", "--json")]
        for count in (2, 1):
            known = self.of(*words[:count])
            if known is not None:
                break
        else:
            return f"no command '{' '.join(words[:2])}'"
        for word in words[count:]:
            if word == "--":
                break
            flag = word.split("=")[0]
            if word.startswith("-") and word != "-" and not set(flag) & set("$*") and flag not in known:
                return f"'{' '.join(words[:count])}' has no {flag}"
        return None


def script_commands(file):
    """The calls of ketseal in a script, as words; those of its function fl among them, which is `ketseal fl`."""
    text = re.sub(r"\\\n\s*", " ", file.read_text())
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        for call in re.finditer(r"(?<![\w/$.-])(ketseal|fl) (?=[a-z-])([^|)>&;]*)", line):
            if line.lstrip().startswith(("echo", "say", "die")) and call.start() < 40:
                continue
            try:
                words = shlex.split(call.group(2), posix=True)
            except ValueError:  # the end of a substitution inside quotes
                words = call.group(2).replace('"', "").split()
            if "$verb" in words: # the function itself
                continue
            yield (["fl"] if call.group(1) == "fl" else []) + words


def check_words(flags, source, where, words):
    program = pathlib.Path(words[0]).name
    script = program.removeprefix("ketseal-")
    scripts = [source / "deploy" / f"{script}.sh", source / "deploy/federated" / f"{script}.sh"]
    if program == "ketseal":
        wrong = flags.wrong_with(words[1:])
        check(wrong is None, f"{where}: {wrong}")
    elif program in PROGRAMS:
        check(not [word for word in words[1:] if word.startswith("-")], f"{where}: flags of {program}")
    else:
        check(program == "anvil" or any(file.exists() for file in scripts), f"{where}: no {program}")


def check_commands(source, build):
    flags = Flags(build)
    count = 0
    for unit in units_of(build):
        for line in settings(unit)["ExecStart"]:
            check_words(flags, source, unit.name, line.split())
            count += 1
    for name in COMPOSE:
        services = yaml.safe_load((source / name).read_text())["services"]
        for service, spec in services.items():
            check_words(flags, source, f"{name}: {service}", spec["command"])
            if "healthcheck" in spec:
                check_words(flags, source, f"{name}: {service}", spec["healthcheck"]["test"][1:])
            count += 1
    for file in [*source.glob("deploy/*.sh"), *source.glob("deploy/federated/*.sh")]:
        for words in script_commands(file):
            wrong = flags.wrong_with(words)
            check(wrong is None, f"{file.name}: {wrong}: {' '.join(words)}")
            count += 1
    check(count >= 40, f"{count} commands were found, fewer than there are")
    check(flags.wrong_with(["fl", "join", "--devicex=x"]) is not None, "a flag that there is not is taken")
    check(flags.wrong_with(["fl", "joins"]) is not None, "a command that there is not is taken")
    print(f"deploy: {count} commands")


def main():
    part, source, *build = sys.argv[1:]
    {"compose": check_compose, "units": check_units, "commands": check_commands}[part](pathlib.Path(source), *map(pathlib.Path, build))
    for failure in failures:
        print(f"deploy: FAILED: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
