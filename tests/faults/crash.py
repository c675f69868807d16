#!/usr/bin/env python3
"""crash.py: the image store after a loss of power, at every call of what changes it.

    crash.py pack NAME WORD FILE        an exported image FILE; its one tree holds WORD
    crash.py check HOME FILE...         is the store of HOME consistent, and do the images FILE import?
    crash.py power DIR                  every scenario; TAP on standard output

A scenario is a command that changes a store. It runs once under strace, which tells each call that makes,
names, writes or flushes something below the store. From that record come the states that a disk may be in
when the power fails after any of the calls:

  - what a flush covers is there: fsync of a file its bytes, fsync of a folder the names in it (a rename is
    one thing in both of its folders), syncfs everything before it;
  - of the rest each call may be on disk or not, whatever came before or after it: a name without its
    file's bytes (none, or half of them), a rename without the file's making, a removal alone.

That is what POSIX allows, and more than a journal lets happen. Up to eight open calls all combinations are
tried, with more a sample of them. Each state is made as a folder, and `check` looks at it.
"""
import concurrent.futures
import hashlib
import io
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile

STEPCELL = os.environ.get("STEPCELL", "build/release/stepcell")
EVERY = int(os.environ.get("EVERY", "1"))
CALLS = ("openat,open,creat,mkdir,mkdirat,write,pwrite64,writev,pwritev,copy_file_range,sendfile,ftruncate,"
         "fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir")


# ---- images ----

def pack(name, word, path):
    """Files that a layer may have, as `stepcell image export` writes them."""
    files = [("bin", None), ("bin/sh", b"no shell\n"), ("bin/link", "sh"), ("etc", None),
             ("etc/word", word.encode() + b"\n"), ("etc/empty", b"")]
    listed = b""
    for at, what in files:
        if what is None:
            listed += b"d 755 %s\n" % at.encode()
        elif isinstance(what, bytes):
            listed += b"f 644 %d %s %s\n" % (len(what), hashlib.sha256(what).hexdigest().encode(), at.encode())
    # names in byte order, folders before what is in them; links have their own form
    lines = listed.decode().splitlines() + ["l bin/link sh"]
    lines.sort(key=lambda line: line.split()[1 if line[0] == "l" else -1].split("/"))
    tree = hashlib.sha256(("\n".join(lines) + "\n").encode()).hexdigest()
    size = sum(len(what) for _, what in files if isinstance(what, bytes))
    manifest = json.dumps({"name": name, "layers": [{"tree": "sha256:" + tree, "bytes": size, "entries": len(files)}],
                           "env": {}, "toolchains": []}).encode()
    with tarfile.open(path, "w") as tar:
        def add(at, what):
            entry = tarfile.TarInfo(at)
            entry.mode = 0o755 if what is None else 0o644
            if what is None:
                entry.type = tarfile.DIRTYPE
            elif isinstance(what, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, what
            else:
                entry.size = len(what)
            tar.addfile(entry, io.BytesIO(what) if isinstance(what, bytes) else None)
        add("image.json", manifest)
        add(f"trees/{tree}/owners", b"")
        add(f"trees/{tree}/root", None)
        for at, what in files:
            add(f"trees/{tree}/root/{at}", what)


# ---- is a store consistent? ----

def run(home, *words):
    env = dict(os.environ, STEPCELL_HOME=home)
    return subprocess.run([STEPCELL, "image", *words], env=env, stdin=subprocess.DEVNULL, timeout=60,
                          capture_output=True, text=True)


def check(home, archives, changed=False):
    """What is wrong, or None. `changed`: a file was changed on purpose, which a verification must find."""
    def bad(what, done):
        return f"{what}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[:300]}"

    listed = run(home, "list", "--json")
    if listed.returncode:
        return bad("list", listed)
    for image in json.loads(listed.stdout):
        if image["problem"] and not changed:
            return "half of an image: " + image["problem"]
    done = run(home, "verify", "--all")
    if done.returncode and not (changed and done.returncode == 1):
        return bad("verify", done)
    for archive in archives:
        done = run(home, "import", "--replace", archive)
        if done.returncode:
            return bad("import", done)
    done = run(home, "verify", "--all")
    if done.returncode:
        return bad("verify after the import", done)
    done = run(home, "prune", "--quarantine")
    if done.returncode:
        return bad("prune", done)
    store = os.path.join(home, "store")
    left = {what: len(os.listdir(os.path.join(store, what)))
            for what in ("images", "blobs/sha256", "trees", "staging", "quarantine")}
    images = len(json.loads(run(home, "list", "--json").stdout))
    if left != {"images": images, "blobs/sha256": images, "trees": images, "staging": 0, "quarantine": 0}:
        return f"after a prune {images} images and {left}"
    return None


# ---- the record of a command ----

class Node:
    """A file or a folder, whatever its names. Files have the bytes that they have in the end."""
    def __init__(self, kind, mode=0o700, content=b"x\n"):
        self.kind, self.mode, self.content = kind, mode, content


class Store:
    """Names: a folder to its entries."""
    def __init__(self):
        self.root = Node("d")
        self.names = {self.root: {}}
        self.written = set()

    def copy(self):
        new = Store()
        new.root, new.written = self.root, set(self.written)
        new.names = {folder: dict(entries) for folder, entries in self.names.items()}
        return new

    def find(self, path):
        at = self.root
        for part in [p for p in path.split("/") if p]:
            at = self.names.get(at, {}).get(part)
            if at is None:
                return None
        return at

    def scan(self, path, node=None, only_content=False):
        """What is on disk, into the nodes that are known by the same names."""
        node = node or self.root
        gone = set(self.names[node]) - set(os.listdir(path))
        if gone:
            raise SystemExit(f"crash.py: {path}: {gone} is not there, and no call removed it")
        for name in sorted(os.listdir(path)):
            at = os.path.join(path, name)
            kind = "l" if os.path.islink(at) else "d" if os.path.isdir(at) else "f"
            child = self.names[node].get(name)
            if child is None:
                if only_content:
                    raise SystemExit(f"crash.py: {at} is there, and no call made it")
                child = self.names[node][name] = Node(kind)
                if kind == "d":
                    self.names[child] = {}
            child.mode = os.lstat(at).st_mode & 0o7777
            if kind == "d":
                self.scan(at, child, only_content)
            elif kind == "l":
                child.content = os.readlink(at)
            else:
                with open(at, "rb") as file:
                    child.content = file.read()
                if not only_content:
                    self.written.add(child)

    def apply(self, op):
        what, *args = op
        if what == "name":
            folder, name, node = args
            self.names.setdefault(folder, {})[name] = node
            if node.kind == "d":
                self.names.setdefault(node, {})
        elif what == "unname":
            folder, name = args
            self.names.get(folder, {}).pop(name, None)
        elif what == "move":
            folder, name, to, new, node = args
            if self.names.get(folder, {}).get(name) is node:
                del self.names[folder][name]
            self.names.setdefault(to, {})[new] = node
        elif what == "bytes":
            self.written.add(args[0])

    def make(self, path, torn, node=None):
        """As files. What was never flushed of a file's bytes is gone, or half of it is (`torn`)."""
        os.mkdir(path, 0o700)
        for name, child in self.names.get(node or self.root, {}).items():
            at = os.path.join(path, name)
            if child.kind == "d":
                self.make(at, torn, child)
                os.chmod(at, child.mode)
            elif child.kind == "l":
                os.symlink(child.content, at)
            else:
                whole = child.content if child in self.written else child.content[:len(child.content) // 2 * torn]
                with open(at, "wb") as file:
                    file.write(whole)
                os.chmod(at, child.mode)

    def shape(self, node=None):
        node = node or self.root
        return tuple(sorted((name, id(child), child in self.written, self.shape(child) if child.kind == "d" else ())
                            for name, child in self.names.get(node, {}).items()))


def lines_of(record):
    """Whole calls in the order of their ends: strace tells one in two parts when another came between."""
    begun = {}
    for line in record:
        pid, _, rest = line.rstrip("\n").partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest[:-len("<unfinished ...>")]
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>", rest)
        if resumed:
            rest = begun.pop(pid, "") + rest[resumed.end():]
        call = re.match(r"(\w+)\((.*)\)\s+= (\d+)", rest)
        if call:
            yield pid, call.group(1), call.group(2)


class Recorder:
    """The calls as changes of a Store, a list of them in order."""
    def __init__(self, store, path):
        self.store, self.path = store, path
        self.ops, self.workers, self.staged = [], {}, None

    def inside(self, pid, path):
        """A path below the store; a worker's /0 is the folder that was made last for it in the staging folder."""
        if path.startswith(self.path + "/") or path == self.path:
            return path[len(self.path):] or "/"
        if path == "/0" or path.startswith("/0/"):
            return self.workers.setdefault(pid, self.staged) + path[2:] if self.workers.get(pid, self.staged) else None
        return None

    def words(self, pid, args):
        """The paths of a call: descriptors with the path behind them, and what is relative to one."""
        found, base = [], None
        for fd, at, text in re.findall(r'(\d+|AT_FDCWD)<([^>]*)>|"((?:[^"\\]|\\.)*)"', args) and [
                (m.group(1), m.group(2), m.group(3))
                for m in re.finditer(r'(\d+|AT_FDCWD)<([^>]*)>|"((?:[^"\\]|\\.)*)"', args)]:
            if fd:
                base = at
                found.append(("fd", self.inside(pid, at)))
            else:
                path = text if text.startswith("/") else (base or "") + "/" + text
                found.append(("path", self.inside(pid, path), text))
        return found

    def do(self, *op):
        self.ops.append(op)
        self.store.apply(op)

    def split(self, path):
        folder, _, name = path.rstrip("/").rpartition("/")
        return self.store.find(folder), name

    def call(self, pid, name, args):
        words = self.words(pid, args)
        paths = [w[1] for w in words if w[0] == "path"]
        fds = [w[1] for w in words if w[0] == "fd"]
        if name in ("openat", "open", "creat"):
            if "O_CREAT" in args and paths and paths[0] and self.store.find(paths[0]) is None:
                self.do("name", *self.split(paths[0]), Node("f", 0o644))
        elif name in ("mkdir", "mkdirat"):
            if paths and paths[0]:
                if paths[0].startswith("/staging/") and pid not in self.workers:
                    self.staged = paths[0]
                if self.split(paths[0])[0] is not None:
                    self.do("name", *self.split(paths[0]), Node("d", 0o755))
        elif name in ("symlink", "symlinkat"):
            if paths[-1]:
                self.do("name", *self.split(paths[-1]), Node("l", content=words[0][2]))
        elif name in ("link", "linkat"):
            if paths[0] and paths[1]:
                self.do("name", *self.split(paths[1]), self.store.find(paths[0]))
        elif name in ("rename", "renameat", "renameat2"):
            if paths[0] and paths[1]:
                self.do("move", *self.split(paths[0]), *self.split(paths[1]), self.store.find(paths[0]))
        elif name in ("unlink", "unlinkat", "rmdir"):
            if paths and paths[0]:
                self.do("unname", *self.split(paths[0]))
        elif name in ("fsync", "fdatasync", "syncfs"):
            if fds and fds[0]:
                self.ops.append(("syncfs",) if name == "syncfs" else ("fsync", self.store.find(fds[0])))
        elif fds and fds[-1 if name == "copy_file_range" else 0]:  # a write
            node = self.store.find(fds[-1 if name == "copy_file_range" else 0])
            if node is not None:
                self.do("bytes", node)


def covers(sync, op):
    if sync[0] == "syncfs":
        return True
    what, *args = op
    if what == "bytes":
        return args[0] is sync[1]
    return sync[1] in ([args[0], args[2]] if what == "move" else [args[0]])


def states_after(before, ops):
    """The stores that may be on disk after the last of the calls."""
    is_sync = [op[0] in ("syncfs", "fsync") for op in ops]
    safe = [not is_sync[i] and any(is_sync[j] and covers(ops[j], op) for j in range(i + 1, len(ops)))
            for i, op in enumerate(ops)]
    loose = [i for i, op in enumerate(ops) if not is_sync[i] and not safe[i]]
    if len(loose) <= 8:
        chosen = [set(c) for n in range(len(loose) + 1) for c in itertools.combinations(loose, n)]
    else:
        dice = random.Random(len(ops))
        chosen = [set(), set(loose), {i for i in loose if ops[i][0] != "bytes"}]
        chosen += [{i for i in loose if dice.random() < 0.5} for _ in range(3)]
    for lucky in chosen:
        state = before.copy()
        for i, op in enumerate(ops):
            if not is_sync[i] and (safe[i] or i in lucky):
                state.apply(op)
        yield state


# ---- the scenarios ----

def change_a_file(home):
    for at, _, names in os.walk(os.path.join(home, "store/trees")):
        if "word" in names:
            with open(os.path.join(at, "word"), "a") as file:
                file.write("changed\n")
            return


SCENARIOS = {
    # name: images that are there before, what is done to the store then, the command, images that must import after
    "an import": ([], None, ["import", "one.tar"], ["one.tar"]),
    "an import that gives a name another meaning": (["one.tar"], None, ["import", "--replace", "other.tar"],
                                                    ["one.tar", "other.tar"]),
    "an import of what is there": (["one.tar"], None, ["import", "--replace", "copy.tar"], ["one.tar"]),
    "an import over a changed tree": (["one.tar"], change_a_file, ["import", "copy.tar"], ["one.tar"]),
    "a prune": (["one.tar", "two.tar"], None, ["prune", "--keep", "0"], ["one.tar", "two.tar"]),
    "a changed tree set aside": (["one.tar"], change_a_file, ["verify", "--all"], ["one.tar"]),
}


def record(top, name):
    before, change, words, after = SCENARIOS[name]
    home = os.path.join(top, "home")
    archive = lambda word: os.path.join(top, word) if word.endswith(".tar") else word
    run(home, "list")
    for image in before:
        run(home, "import", archive(image))
    if change:
        change(home)
    store = Store()
    store.scan(os.path.join(home, "store"))
    start = store.copy()
    recorder = Recorder(store, os.path.join(home, "store"))
    log = os.path.join(top, "record")
    subprocess.run(["strace", "-f", "-y", "-s", "4096", "-e", "trace=" + CALLS, "-o", log, STEPCELL, "image",
                    *[archive(w) for w in words]], env=dict(os.environ, STEPCELL_HOME=home),
                   stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    with open(log, encoding="utf-8", errors="replace") as lines:
        for call in lines_of(lines):
            recorder.call(*call)
    # the record explains the store as it is now, or it is no record
    store.scan(os.path.join(home, "store"), only_content=True)
    return start, recorder.ops, [archive(a) for a in after], change is not None


def look_at(work, index, state, archives, changed):
    home = os.path.join(work, str(index))
    os.mkdir(home, 0o700)
    state.make(os.path.join(home, "store"), index % 2)
    wrong = check(home, archives, changed)
    shutil.rmtree(home)
    return wrong


def try_scenario(top, name):
    shutil.rmtree(os.path.join(top, "home"), ignore_errors=True)
    start, ops, archives, changed = record(top, name)
    seen, states = set(), []
    for n in range(len(ops) + 1):
        for state in states_after(start, ops[:n]):
            shape = state.shape()
            if shape not in seen:
                seen.add(shape)
                states.append(state)
    work = os.path.join(top, "states")
    os.makedirs(work, exist_ok=True)
    picked = list(range(0, len(states), EVERY))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda i: look_at(work, i, states[i], archives, changed), picked))
    wrong = [f"state {i}: {what}" for i, what in zip(picked, results) if what]
    return f"power loss in {name}: {len(ops)} calls, {len(picked)} of {len(states)} states", wrong


def power(top):
    top = os.path.realpath(top)
    for name, word, file in (("one", "one", "one.tar"), ("one", "other", "other.tar"), ("two", "two", "two.tar")):
        pack(name, word, os.path.join(top, file))
    shutil.copy(os.path.join(top, "one.tar"), os.path.join(top, "copy.tar"))
    failed = 0
    for n, name in enumerate(SCENARIOS, 1):
        what, wrong = try_scenario(top, name)
        failed += bool(wrong)
        print(f"{'not ok' if wrong else 'ok'} {n} - {what}")
        for line in wrong[:20]:
            print("# " + line)
        sys.stdout.flush()
    print(f"1..{len(SCENARIOS)}")
    return failed != 0


if __name__ == "__main__":
    if sys.argv[1] == "pack":
        pack(*sys.argv[2:5])
    elif sys.argv[1] == "check":
        problem = check(sys.argv[2], sys.argv[3:])
        if problem:
            print(problem)
            sys.exit(1)
    else:
        sys.exit(power(sys.argv[2]))
