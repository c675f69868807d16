"""Hostile archives in the form of an exported image.

	archives.py KIND CANARIES OUT	write one to the file OUT; it aims at the folder CANARIES
	archives.py --trust FILE DIR	unpack as somebody who trusts every name does: the control

An archive is a whole image, true to its hashes, and what KIND adds.
"""
import copy, gzip, hashlib, io, json, lzma, os, struct, subprocess, sys, tarfile, zlib

UP = "../" * 24


def entry(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, link="", pax=None):
	e = tarfile.TarInfo(name)
	e.type, e.mode, e.linkname, e.size, e.pax_headers = kind, mode, link, len(data), pax or {}
	return e, data


def link(name, target):
	return entry(name, tarfile.SYMTYPE, link=target, mode=0o777)


def hard(name, target):
	return entry(name, tarfile.LNKTYPE, link=target)


def folder(name, mode=0o755):
	return entry(name, tarfile.DIRTYPE, mode=mode)


def changed(e, **fields):
	"""A copy with other fields (TarInfo.replace is younger than Debian 12's Python)."""
	e = copy.copy(e)
	for name, value in fields.items():
		setattr(e, name, value)
	return e


def escape(text):
	return "".join(chr(c) if 32 < c < 127 and c != 92 else "\\%03o" % c for c in text.encode())


def manifest(root):
	"""The list of a tree, of which its name is the hash: folders before what is in them, in byte order."""
	lines = []
	for e, data in sorted(root, key=lambda pair: pair[0].name.split("/")):
		if e.type == tarfile.DIRTYPE:
			lines.append(f"d {e.mode:o} {escape(e.name)}")
		elif e.type == tarfile.SYMTYPE:
			lines.append(f"l {escape(e.name)} {escape(e.linkname)}")
		else:
			lines.append(f"f {e.mode:o} {len(data)} {hashlib.sha256(data).hexdigest()} {escape(e.name)}")
	return "".join(line + "\n" for line in lines).encode()


def image(name, root, added=(), lost=()):
	"""The bytes of an image: the tree `root`, below it `lost` (which no list names), and `added` anywhere."""
	tree = hashlib.sha256(manifest(root)).hexdigest()
	at = f"trees/{tree}/root"
	size = sum(len(data) for e, data in root if e.type not in (tarfile.DIRTYPE, tarfile.SYMTYPE))
	text = json.dumps({"name": name, "layers": [{"tree": "sha256:" + tree, "bytes": size, "entries": len(root)}],
		"env": {}, "toolchains": []}, separators=(",", ":")) + "\n"
	entries = [entry("image.json", data=text.encode()), folder("trees"), folder(f"trees/{tree}"),
		entry(f"trees/{tree}/owners"), folder(at)]
	for e, data in [*root, *lost]:
		e = changed(e, name=f"{at}/{e.name}")
		if e.type == tarfile.LNKTYPE:
			e.linkname = f"{at}/{e.linkname}"
		entries.append((e, data))
	for e, data in added:
		entries.append((changed(e, name=e.name.replace("@", at), linkname=e.linkname.replace("@", at)), data))
	out = io.BytesIO()
	with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
		for e, data in entries:
			tar.addfile(e, io.BytesIO(data))
	return out.getvalue()


def plain():
	return [folder("bin"), entry("bin/hello", data=b"hello", mode=0o755), link("bin/link", "hello")]


def cell_root(*more, without=()):
	"""A root that a payload runs in."""
	with open(os.environ["STATIC"], "rb") as f:
		program = f.read()
	root = [folder(name) for name in ("dev", "etc", "home", "proc", "sys", "tmp", "usr") if name not in without]
	return [*root, entry("attack", data=program, mode=0o755), *more]


def chain(canaries):
	"""Links whose whole path is longer than a path may be; the last step leads out."""
	name, entries, path = "d" * 247, [], ""
	for letter in "abcdefghijklmnop":
		entries += [folder(path + name), link(path + letter, name)]
		path += letter + "/"
	long = "l" * 254
	return [*entries, link(path + long, "../" * 16), link("escape", path + long + "/" + UP + canaries.lstrip("/")),
		entry("escape/canary", data=b"through a chain")]


XATTR = {"SCHILY.acl.access": "user::rwx,group::rwx,other::rwx", "SCHILY.xattr.user.canary": "x",
	"LIBARCHIVE.xattr.user.canary": "eA"}

# What each adds to a whole image; `c` is the folder of canaries.
escapes = {
	"B1-up": lambda c: [entry(UP + c.lstrip("/") + "/canary", data=b"up")],
	"B1-absolute": lambda c: [entry(c + "/canary", data=b"absolute")],
	"B1-middle": lambda c: [folder("a"), entry("a/../" + UP + c.lstrip("/") + "/canary", data=b"middle")],
	"B1-slashes": lambda c: [entry("//" + c + "//canary", data=b"slashes")],
	"B1-end": lambda c: [folder(UP + c.lstrip("/") + "/sub/..", 0o711)],
	"B2-link": lambda c: [link("@/l", c), entry("@/l/canary", data=b"through")],
	"B2-link-up": lambda c: [link("@/l", UP + c.lstrip("/")), entry("@/l/canary", data=b"through")],
	"B2-link-of-name": lambda c: [link("image.json", c + "/canary"), entry("image.json", data=b"through")],
	"B2-link-for-trees": lambda c: [link("trees2", c), link("trees2/x", "."), entry("trees2/canary", data=b"x")],
	"B2-chain": chain,
	"B3-absolute": lambda c: [hard("@/h", c + "/canary"), entry("@/h", data=b"hard")],
	"B3-up": lambda c: [hard("h", UP + c.lstrip("/") + "/canary"), entry("h", data=b"hard")],
	"B3-over-link": lambda c: [link("@/l", c), hard("@/h", "@/l/canary"), entry("@/l/canary", data=b"hard")],
	"B4-mode": lambda c: [link("@/l", c), folder("@/l", 0o711)],
	"B4-records": lambda c: [link("@/l", c), entry("@/l/canary", data=b"", mode=0o777, pax=XATTR)],
}


def head(size):
	"""The beginning of an archive of `size` zeros."""
	e, _ = entry("trees/zeros")
	e.size = size
	return e.tobuf(tarfile.GNU_FORMAT)


def members(size):
	"""The same, compressed: members of 16 MiB each, one after another."""
	member = gzip.compress(bytes(1 << 24), mtime=0)
	return gzip.compress(head(size)) + member * (size >> 24)


def with_dictionary(data, exponent=40):
	"""An .xz whose header asks for a dictionary of 4 GiB."""
	packed = bytearray(lzma.compress(data, check=lzma.CHECK_CRC32))
	size = (packed[12] + 1) * 4
	header = packed[12:12 + size]
	assert header[2] == 0x21 # LZMA2, whose one property is the dictionary
	header[4] = exponent
	header[-4:] = struct.pack("<I", zlib.crc32(header[:-4]))
	packed[12:12 + size] = header
	return bytes(packed)


def with_window(data):
	"""A .zst whose header asks for a window of 2 GiB."""
	packed = bytearray(subprocess.run(["zstd", "-q"], check=True, stdout=subprocess.PIPE, input=data).stdout)
	assert not packed[4] & 0x20 # the next byte is the window's size
	packed[5] = 21 << 3
	return bytes(packed)


def sparse():
	subprocess.run(["truncate", "-s", "8T", "sparse"], check=True)
	out = subprocess.run(["tar", "--sparse", "-cf", "-", "sparse"], check=True, stdout=subprocess.PIPE).stdout
	os.unlink("sparse")
	return out


GIB = 1 << 30
bombs = {
	"B6-gzip": lambda: members(10 * GIB),
	"B6-xz": lambda: lzma.compress(head(GIB // 4) + bytes(GIB // 4), preset=0),
	"B6-zstd": lambda: subprocess.run(["zstd", "-q", "-1"], check=True, stdout=subprocess.PIPE,
		input=head(GIB) + bytes(GIB)).stdout,
	"B6-nested": lambda: gzip.compress(gzip.compress(members(64 * GIB))),
	"B6-dictionary": lambda: with_dictionary(image("dictionary", plain())),
	"B6-window": lambda: with_window(image("window", plain())),
	"B7-sparse": sparse,
}

# What overlayfs would do with a layer that has them: hide what lies below, and look for it elsewhere.
OVERLAY = {f"SCHILY.xattr.{who}.overlay.{what}": value for who in ("user", "trusted")
	for what, value in (("opaque", "y"), ("redirect", "/usr"), ("metacopy", ""))}
CAPS = {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00 \x20\x00\x00\x00\x00\x00\x00\x00\x00\x00"}


def kinds():
	"""Devices, a FIFO, set-id bits and file capabilities in a root that is otherwise whole."""
	with open(os.environ["STATIC"], "rb") as f:
		program = f.read()
	suid, caps = entry("suid", data=program, mode=0o755), entry("filecaps", data=program, mode=0o755)
	null, fifo = entry("null", tarfile.CHRTYPE), entry("fifo", tarfile.FIFOTYPE)
	null[0].devmajor, null[0].devminor = 1, 3
	bytes_ = image("kinds", cell_root(suid, caps), lost=[null, fifo])
	# the bits are set in the archive alone: the list is of what must come of it
	out, hostile = io.BytesIO(), io.BytesIO(bytes_)
	with tarfile.open(fileobj=hostile) as old, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as new:
		for e in old:
			data = old.extractfile(e).read() if e.isreg() else b""
			if e.name.endswith("/suid"):
				e.mode = 0o6755
			if e.name.endswith("/usr"):
				e.pax_headers = OVERLAY
			if e.name.endswith("/filecaps"):
				e.pax_headers = CAPS
			new.addfile(e, io.BytesIO(data))
	return out.getvalue()


# Roots whose places lead elsewhere: the name says which, and how.
WAYS = {"absolute": "{c}", "up": UP + "{r}", "magic": "/proc/self/root{c}"}


def linked(kind, canaries):
	_, place, way = kind.split("-")
	target = WAYS[way].format(c=canaries, r=canaries.lstrip("/"))
	return image(kind.lower(), cell_root(link(place, target), without=[place]))


def false_proc():
	fake = [folder("proc/self"), folder("proc/self/attr"), folder("proc/sys"), folder("proc/sys/user")]
	files = ("self/uid_map", "self/gid_map", "self/setgroups", "self/attr/exec", "self/timens_offsets",
		"self/oom_score_adj", "sys/user/max_user_namespaces")
	return image("a8-proc", cell_root(*fake, *(entry("proc/" + f, data=b"canary\n", mode=0o666) for f in files)))


def data_files():
	return image("poison", cell_root(folder("data"), *(entry(f"data/{i}", data=b"pure\n", mode=0o666) for i in range(40))))


def make(kind, canaries):
	if kind in escapes:
		return image("hostile", plain(), added=escapes[kind](canaries))
	if kind in bombs:
		return bombs[kind]()
	if kind.startswith("A5-") or kind.startswith("A6-"):
		return linked(kind, canaries)
	return {"whole": lambda: image("whole", plain()), "B8-kinds": kinds, "A8-proc": false_proc,
		"B10-poison": data_files}[kind]()


def trust(path, target):
	with tarfile.open(path) as tar:
		tar.extraction_filter = staticmethod(lambda member, _: member)
		for e in tar:
			try:
				# what a name says is where it goes
				if e.issym() or not e.islnk():
					tar.extract(e, target if not e.name.startswith("/") else "/", set_attrs=not e.issym())
				else:
					os.link(os.path.join(target, e.linkname), os.path.join(target, e.name))
			except (OSError, tarfile.TarError, KeyError) as error:
				print(error, file=sys.stderr)


if sys.argv[1] == "--trust":
	trust(*sys.argv[2:])
elif sys.argv[1] == "--list":
	print("\n".join([*escapes, *bombs]))
else:
	with open(sys.argv[3], "wb") as f:
		f.write(make(sys.argv[1], sys.argv[2]))
