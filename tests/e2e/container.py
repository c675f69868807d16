#!/usr/bin/env python3
"""container.py KIND UID COMMAND...: an OCI configuration like docker's default on standard output.

The root is the host's /usr and /etc, read-only, and stepcell's own tree. docker's list of system calls says
what is allowed; here are those that it refuses to a process without CAP_SYS_ADMIN and that matter to a cell.
"""
import json
import os
import sys

kind, uid, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
stepcell = os.path.realpath(os.environ["STEPCELL"])
top = os.path.dirname(os.path.dirname(os.path.dirname(stepcell)))

CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE "
    "SYS_CHROOT KILL AUDIT_WRITE").split()]
REFUSED = """unshare setns mount umount umount2 pivot_root open_tree move_mount fsopen fsconfig fsmount fspick
    mount_setattr bpf perf_event_open keyctl add_key request_key userfaultfd quotactl syslog""".split()
NAMESPACE_BITS = (17, 25, 26, 27, 28, 29, 30)  # CLONE_NEWNS, NEWCGROUP, NEWUTS, ...
EPERM, ENOSYS = 1, 38


def refuse(names, errno, **more):
    return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno, **more}


def mount(destination, kind, options, source=None):
    return {"destination": destination, "type": kind, "source": source or kind, "options": options.split()}


config = {
    "ociVersion": "1.0.2",
    "hostname": "box",
    "root": {"path": "rootfs"},
    "process": {
        "user": {"uid": uid, "gid": uid},
        "args": command,
        "cwd": "/",
        "env": ["PATH=/opt/bin:/usr/bin:/bin", "HOME=/tmp", "STEPCELL_HOME=/tmp/home", "STEPCELL_DATA=/opt/data"],
        "noNewPrivileges": True,
        "capabilities": {
            "bounding": CAPABILITIES,
            "effective": [] if uid else CAPABILITIES,
            "permitted": [] if uid else CAPABILITIES,
        },
    },
    "mounts": [
        mount("/proc", "proc", "nosuid noexec nodev"),
        mount("/dev", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
        mount("/dev/pts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620"),
        mount("/dev/shm", "tmpfs", "nosuid noexec nodev mode=1777"),
        mount("/sys", "sysfs", "nosuid noexec nodev ro"),
        mount("/usr", "bind", "rbind ro", "/usr"),
        mount("/etc", "bind", "rbind ro", "/etc"),
        mount("/tmp", "tmpfs", "nosuid nodev mode=1777"),
        mount("/opt/bin/stepcell", "bind", "bind ro", stepcell),
        mount("/opt/data/policies", "bind", "rbind ro", top + "/policies"),
        mount("/opt/data/rootfs", "bind", "rbind ro", top + "/rootfs"),
    ],
    "linux": {
        "namespaces": [{"type": name} for name in ("pid", "ipc", "uts", "mount", "network")],
        "maskedPaths": ["/proc/" + name for name in (
            "acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi").split()],
        "readonlyPaths": ["/proc/" + name for name in "bus fs irq sys sysrq-trigger".split()],
    },
}
if kind == "default":
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [refuse(["clone3"], ENOSYS), refuse(REFUSED, EPERM)] + [
            refuse(["clone"], EPERM, args=[
                {"index": 0, "value": 1 << bit, "valueTwo": 1 << bit, "op": "SCMP_CMP_MASKED_EQ"}])
            for bit in NAMESPACE_BITS],
    }
elif kind == "unmasked":
    del config["linux"]["maskedPaths"], config["linux"]["readonlyPaths"]
json.dump(config, sys.stdout, indent=1)
