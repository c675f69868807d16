"""Two trees of one image, by two unpackers.

	trees.py make DIR	a layout whose layers do everything that layers can do
	trees.py compare OURS OTHER	what differs but for what is meant to

What is meant to differ: set-id bits are not kept, the owner may read (and enter) everything, and devices,
FIFOs and sockets are not made. Owners are not compared: ours has one for all.
"""
import gzip, hashlib, io, json, os, stat, sys, tarfile

REG, DIR, SYM, LNK, CHR, BLK, FIFO = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE,
	tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
LONG = "n" * 200

layers = [
	[("./", DIR, 0o755, ""), ("bin", SYM, 0o777, "usr/bin"), ("usr/bin/", DIR, 0o755, ""), ("usr/bin/su", REG, 0o4755, "su"),
	 ("usr/bin/wall", REG, 0o2755, "wall"), ("etc/", DIR, 0o755, ""), ("etc/shadow", REG, 0o000, "secret"),
	 ("etc/old", REG, 0o644, "old"), ("etc/conf/", DIR, 0o700, ""), ("etc/conf/a", REG, 0o640, "a"),
	 ("etc/conf/deep/b", REG, 0o600, "b"), ("tmp/", DIR, 0o1777, ""), ("var/mail/", DIR, 0o2775, ""), ("dev/null", CHR, 0o666, ""),
	 ("dev/sda", BLK, 0o660, ""), ("run/fifo", FIFO, 0o600, ""), ("a/b/c/d", REG, 0o444, "deep"), ("kept", REG, 0o644, "kept"),
	 ("twin", LNK, 0, "kept"), ("to-dir", SYM, 0o777, "/etc/conf"), ("to-file", SYM, 0o777, "../../../etc/old"),
	 ("was-dir/x", REG, 0o644, "x"), ("was-file", REG, 0o644, "file"), ("was-link", SYM, 0o777, "etc"), (LONG + "/" + LONG, REG, 0o644, "long"),
	 ("na\nme \xe4 \\", REG, 0o644, "odd")],
	[("etc/.wh.old", REG, 0o644, ""), ("etc/conf/new", REG, 0o644, "new"), ("etc/conf/.wh..wh..opq", REG, 0o644, ""),
	 ("usr/bin/tool", REG, 0o755, "tool"), ("bin/late", REG, 0o755, "through a link"), ("was-dir", REG, 0o600, "now a file"),
	 ("was-file/", DIR, 0o711, ""), ("was-file/y", REG, 0o644, "y"), ("was-link/", DIR, 0o755, ""), ("was-link/z", REG, 0o644, "z"),
	 ("third", LNK, 0, "kept"), ("a/", DIR, 0o750, ""), (".wh.to-file", REG, 0o644, "")],
	[("kept", REG, 0o644, "replaced"), ("a/b/.wh.c", REG, 0o644, ""), ("a/b/e", SYM, 0o777, "c"), ("usr/bin/tool", LNK, 0, "usr/bin/su"),
	 ("etc/conf/deep/b", REG, 0o644, "back"), (".wh.gone", REG, 0o644, "")],
]


def pack(rows):
	out = io.BytesIO()
	with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
		for name, kind, mode, text in rows:
			e = tarfile.TarInfo(name.rstrip("/") or ".")
			e.type, e.mode, e.mtime, e.uid, e.gid = kind, mode, 1700000000, 7, 8
			data = text.encode() if kind == REG else b""
			if kind in (SYM, LNK):
				e.linkname = text
			if kind in (CHR, BLK):
				e.devmajor, e.devminor = 1, 3
			e.size = len(data)
			tar.addfile(e, io.BytesIO(data))
	return out.getvalue()


def make(path):
	os.makedirs(path + "/blobs/sha256")

	def put(kind, data):
		digest = hashlib.sha256(data).hexdigest()
		with open(f"{path}/blobs/sha256/{digest}", "wb") as f:
			f.write(data)
		return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": len(data)}

	tars = [pack(rows) for rows in layers]
	machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
	config = {"os": "linux", "architecture": machine, "config": {},
		"rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(t).hexdigest() for t in tars]}}
	manifest = {"schemaVersion": 2, "config": put("config.v1+json", json.dumps(config).encode()),
		"layers": [put("layer.v1.tar+gzip", gzip.compress(t, mtime=0)) for t in tars]}
	entry = put("manifest.v1+json", json.dumps(manifest).encode())
	entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
	for name, document in {"index.json": {"schemaVersion": 2, "manifests": [entry]}, "oci-layout": {"imageLayoutVersion": "1.0.0"}}.items():
		with open(f"{path}/{name}", "w") as f:
			json.dump(document, f)


def read(root):
	"""Of each path its kind, its mode, and its bytes, target or device; and which paths are one file."""
	found, files = {}, {}
	root = os.fsencode(os.path.realpath(root))
	for at, folders, names in os.walk(root):
		for name in folders + names:
			path = os.path.join(at, name)
			st = os.lstat(path)
			kind, what = stat.S_IFMT(st.st_mode), b""
			if kind == stat.S_IFLNK:
				what = os.readlink(path)
			elif kind == stat.S_IFREG:
				with open(path, "rb") as f:
					what = hashlib.sha256(f.read()).digest()
				files.setdefault(st.st_ino, []).append(path[len(root):])
			time = int(st.st_mtime) if kind in (stat.S_IFREG, stat.S_IFLNK) else 0
			found[path[len(root):]] = (kind, stat.S_IMODE(st.st_mode), what, time)
	return found, sorted(sorted(paths) for paths in files.values() if len(paths) > 1)


def meant(kind, mode):
	"""What we make of a mode."""
	if kind == stat.S_IFDIR:
		return mode & 0o1777 | 0o700
	return mode if kind == stat.S_IFLNK else mode & 0o777 | 0o400


def compare(ours, other):
	(a, twins_a), (b, twins_b) = read(ours), read(other)
	setid = devices = wrong = 0
	for path in sorted({*a, *b}):
		mine, theirs = a.get(path), b.get(path)
		if not mine and theirs[0] not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
			devices += 1
			continue
		if mine and theirs and theirs[1] & 0o6000:
			setid += 1
		if not mine or not theirs or mine != (theirs[0], meant(theirs[0], theirs[1]), theirs[2], theirs[3]):
			print(f"{path}: ours {mine}, the other's {theirs}")
			wrong += 1
	if twins_a != twins_b:
		print(f"hard links: ours {twins_a}, the other's {twins_b}")
		wrong += 1
	print(f"{len(a)} paths, {len(twins_a)} files with several names; set-id bits: {setid}, devices: {devices}, differences: {wrong}")
	return wrong > 0


sys.exit({"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:]))
