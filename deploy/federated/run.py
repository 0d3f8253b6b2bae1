#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the services of compose.yaml without an engine, all at once, each inside its image.

    unshare --net --mount run.py compose.yaml WORK IMAGE=ROOT...

Each service gets namespaces of its own (mounts, processes, IPC, names), the image as a root that is read-only, and of user,
capabilities, mounts, secrets and health check what compose.yaml says. They share one network without a way out, whose
loopback has the addresses of all. WORK is where compose.yaml would be: WORK/keep, WORK/records; volumes are in WORK/volumes.
What compose.yaml says and is not done here is refused, so that nothing is tested as something that it is not. Status 0: the
operator's part ended well, twice, and so did all others when they were told to.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import yaml

READY_S = 300
RESULT_S = 900
UID = 65532
ROOT = "/run/root"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RIGHTS = {"user": f"{UID}:{UID}", "read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
          "tmpfs": ["/tmp"]}
KNOWN = set(RIGHTS) | {"image", "command", "volumes", "secrets", "networks", "network_mode", "healthcheck", "depends_on",
                       "restart", "profiles", "environment", "stop_grace_period"}
CONFINE = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
           "--no-new-privs"]

# What becomes a service's process 1. Arguments: the image's root, SOURCE:TARGET:MODE..., --, what to execute.
INSIDE = """
image=$1
shift
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/upper /run/work /run/root
root=/run/root
mount -t overlay overlay -o "lowerdir=$image,upperdir=/run/upper,workdir=/run/work" "$root"
mkdir -p "$root/proc" "$root/tmp" "$root/dev/shm" "$root/run/secrets"
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
for device in null zero full random urandom; do
    [ -e "$root/dev/$device" ] || touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 tmpfs "$root/dev/shm"
while [ "$1" != -- ]; do
    source=${1%%:*}
    place=${1#*:}
    mode=${place##*:}
    place=$root${place%:*}
    if [ -d "$source" ]; then mkdir -p "$place"; else touch "$place"; fi
    mount --bind "$source" "$place"
    [ "$mode" = rw ] || mount -o remount,bind,ro "$place"
    shift
done
shift
mount -o remount,bind,ro "$root"
exec "$@"
"""

# Confinement that does not confine would pass all else.
CONFINED = r"""
! touch /usr/x 2>/dev/null && ! touch /etc/x 2>/dev/null && [ "$(id -u)" -ne 0 ] &&
    ! grep -qv "^\(Inter\| face\| *lo:\)" /proc/net/dev && grep -q "^CapBnd:.0000000000000000$" /proc/self/status &&
    [ "$(ls -d /proc/[0-9]* | wc -l)" -lt 8 ] && touch /tmp/x
"""


class Failure(Exception):
    pass


class Service:
    def __init__(self, site, name, spec):
        unknown = sorted(set(spec) - KNOWN)
        if unknown:
            raise Failure(f"{name}: {unknown[0]} is not done here")
        for key, want in RIGHTS.items():
            if spec.get(key) != want:
                raise Failure(f"{name}: it asks for {key} {spec.get(key)!r}, and would run with {want!r} here")
        self.site, self.name, self.spec = site, name, spec
        self.process = None
        self.well = False

    def mounts(self):
        found = []
        for volume in self.spec.get("volumes", []):
            source, target, mode = (volume.split(":") + ["rw"])[:3]
            found.append((self.site.source(source, self.image(), target), target, mode))
        for secret in self.spec.get("secrets", []):
            secret = secret if isinstance(secret, dict) else {"source": secret, "target": secret}
            file = self.site.spec["secrets"][secret["source"]]["file"]
            found.append((self.site.work / file, "/run/secrets/" + secret["target"], "ro"))
        return found

    def image(self):
        return self.site.images[self.spec["image"]]

    def command(self, words):
        given = [f"{key}={value}" for key, value in self.spec.get("environment", {}).items()]
        return ["env", "-i", f"PATH={PATH}", *given, "chroot", ROOT, *CONFINE, *words]

    def open(self, words, log):
        mounts = [":".join(map(str, mount)) for mount in self.mounts()]
        return subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "sh", "-euc", INSIDE, "sh",
                                 str(self.image()), *mounts, "--", *self.command(words)],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self):
        return self.site.work / "logs" / self.name

    def start(self):
        with open(self.log(), "ab") as log:
            self.process = self.open(self.spec["command"], log)

    def confined(self):
        with open(self.log(), "ab") as log:
            return self.open(["sh", "-c", CONFINED], log).wait() == 0

    def first(self):
        """Process 1 of the service, as it is called out here."""
        if self.process is None:
            return None
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return int(children.read_text().split()[0])
        except (OSError, IndexError):
            return None

    def is_well(self):
        check = self.spec.get("healthcheck")
        if check is None or self.well or self.first() is None:
            return self.well
        inside = ["nsenter", f"--target={self.first()}", "--mount", "--pid", "--ipc", "--uts"]
        self.well = subprocess.run(inside + self.command(check["test"][1:]), stdin=subprocess.DEVNULL, timeout=60,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        return self.well

    def may_start(self):
        needed = [(self.site.services[name], how["condition"]) for name, how in self.spec.get("depends_on", {}).items()]
        return all(service.first() is not None if how == "service_started" else service.is_well() for service, how in needed)

    def stop(self):
        if self.process is None:
            return 0
        if self.process.poll() is None and self.first() is not None:
            os.kill(self.first(), signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure(f"{self.name} does not end") from None


class Site:
    def __init__(self, file, work, images):
        self.spec = yaml.safe_load(pathlib.Path(file).read_text())
        self.work, self.images = pathlib.Path(work), images
        self.services = {name: Service(self, name, spec) for name, spec in self.spec["services"].items()}
        shutil.rmtree(self.work, ignore_errors=True)
        (self.work / "logs").mkdir(parents=True)
        for name in ("keep", "records"):
            (self.work / name).mkdir()
            os.chown(self.work / name, UID, UID)

    def source(self, source, image, target):
        if source.startswith("./"):
            return self.work / source
        if source not in self.spec["volumes"]:
            raise Failure(f"no volume {source}")
        place = self.work / "volumes" / source
        if not place.exists():  # with the owner that the image's folder has, as an engine makes them
            place.mkdir(parents=True)
            known = image / target.lstrip("/")
            if known.is_dir():
                os.chown(place, known.stat().st_uid, known.stat().st_gid)
        return place

    def network(self):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for service in self.services.values():
            for network in service.spec.get("networks", {}).values():
                subprocess.run(["ip", "address", "add", network["ipv4_address"] + "/32", "dev", "lo"], check=True)

    def prepare(self):
        service = self.services.pop("prepare")
        if not service.confined():
            raise Failure("services are not confined as compose.yaml says")
        service.start()
        if service.process.wait() != 0:
            raise Failure(f"prepare: {tail(service.log())}")

    def run(self, services):
        """Starts SERVICES as soon as they may be, until the operator's part has ended."""
        waiting = dict(services)
        began = time.monotonic()
        last = self.services["operator"]
        last.process = None
        while last.process is None or last.process.poll() is None:
            for name in [name for name, service in waiting.items() if service.may_start()]:
                waiting.pop(name).start()
                print(f"deploy: {name} at {time.monotonic() - began:.0f} s", file=sys.stderr)
            for service in self.services.values():
                if service.process is not None and service is not last and service.process.poll() is not None:
                    raise Failure(f"{service.name} has ended: {tail(service.log())}")
            if time.monotonic() - began > (READY_S if waiting else RESULT_S):
                raise Failure(f"not ready: {', '.join(waiting)}" if waiting else "the operator's part does not end")
            time.sleep(0.5)
        if last.process.returncode != 0:
            raise Failure(f"operator: {tail(last.log())}")
        print(tail(last.log(), 1), file=sys.stderr)

    def stop(self):
        """Those who need others first. How the chain ends is its own affair."""
        ended = {service.name: service.stop() for service in reversed(self.services.values())}
        return sorted(name for name, status in ended.items() if status != 0 and name != "chain")


def tail(log, count=5):
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def main():
    file, work, *images = sys.argv[1:]
    status = 1
    site = None
    try:
        site = Site(file, work, {name: pathlib.Path(root) for name, root in (image.rsplit("=", 1) for image in images)})
        site.network()
        site.prepare()
        site.run(site.services)
        site.run({"operator": site.services["operator"]})  # once more: the nodes wait for another session
        bad = site.stop()
        if bad:
            raise Failure(f"{bad[0]} did not end well: {tail(site.services[bad[0]].log())}")
        status = 0
    except Failure as failure:
        print(f"deploy: {failure}", file=sys.stderr)
    finally:
        for service in site.services.values() if site else []:
            if service.process is not None and service.process.poll() is None:
                service.process.kill()
                service.process.wait()
    return status


if __name__ == "__main__":
    sys.exit(main())
