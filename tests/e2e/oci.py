"""Images in the forms of other engines, whole or with one thing wrong.

	oci.py KIND OUT [WRONG]

KIND is layout (a folder), oci (a tar of one), docker (what `docker save` writes) or tar (the root of a
container). The image has two layers: the upper one, compressed in another way, hides a file of the lower.
WRONG is one of the names of `wrongs` below.
"""
import gzip, hashlib, io, json, os, subprocess, sys, tarfile

OCI, DOCKER = "application/vnd.oci.image.", "application/vnd.docker."
LAYER = OCI + "layer.v1.tar"
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def tar(*rows):
	"""A row is a name and bytes, a name ending in / alone, or a name and ("->", target)."""
	out = io.BytesIO()
	with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
		for name, *data in rows:
			e = tarfile.TarInfo(name.rstrip("/"))
			e.mode, e.mtime = 0o755, 1700000000
			content = b""
			if name.endswith("/"):
				e.type = tarfile.DIRTYPE
			elif isinstance(data[0], tuple):
				e.type, e.linkname = tarfile.SYMTYPE, data[0][1]
			else:
				content = data[0]
			e.size = len(content)
			t.addfile(e, io.BytesIO(content))
	return out.getvalue()


lower = tar(("etc/",), ("etc/old", b"old"), ("usr/",), ("usr/bin/",), ("usr/bin/hello", b"hello"), ("bin", ("->", "usr/bin")))
upper = tar(("etc/new", b"new"), ("etc/.wh.old", b""))


def zstd(data):
	return subprocess.run(["zstd", "-q"], input=data, stdout=subprocess.PIPE, check=True).stdout


def sha(data):
	return "sha256:" + hashlib.sha256(data).hexdigest()


class Image:
	def __init__(self, wrong=""):
		self.wrong, self.blobs = wrong, {}
		self.layers = [(LAYER + "+gzip", gzip.compress(lower, mtime=0)), (LAYER + "+zstd", zstd(upper))]
		self.tars = [lower, upper]
		self.config = {"os": "linux", "architecture": MACHINE, "config": {"Env": ["PATH=/bin", "GREETING=hello"],
			"Entrypoint": ["/bin/hello"], "User": "1000", "ExposedPorts": {"80/tcp": {}}},
			"rootfs": {"type": "layers", "diff_ids": [sha(t) for t in self.tars]}}
		self.name = "host.example.com/people/greeter:1.0"
		wrongs.get(wrong, lambda image: None)(self)
		self.config_text = json.dumps(self.config).encode()

	def put(self, kind, data):
		self.blobs[sha(data)] = data
		return {"mediaType": kind, "digest": sha(data), "size": len(data)}

	def layout(self):
		"""The files of a layout, by name."""
		manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
			"config": self.put(OCI + "config.v1+json", self.config_text),
			"layers": [self.put(kind, data) for kind, data in self.layers]}
		if self.wrong == "both kinds":
			manifest["manifests"] = []
		if self.wrong == "layer size":
			manifest["layers"][0]["size"] += 1
		entry = self.put(manifest["mediaType"], json.dumps(manifest).encode())
		if self.wrong == "several machines":
			other = {**entry, "digest": sha(b"nothing"), "platform": {"os": "linux", "architecture": "s390x"}}
			entry["platform"] = {"os": "linux", "architecture": MACHINE}
			entry = self.put(OCI + "index.v1+json", json.dumps({"schemaVersion": 2, "manifests": [other, entry]}).encode())
		entry["annotations"] = {"org.opencontainers.image.ref.name": self.name}
		entries = [entry]
		if self.wrong == "two images":
			entries.append({**entry, "annotations": {"org.opencontainers.image.ref.name": "other:2"}})
		index = {"schemaVersion": 2, "manifests": entries}
		files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
		for name, data in self.blobs.items():
			files["blobs/sha256/" + name[7:]] = data
		if self.wrong in ("layer bytes", "manifest bytes"):
			name = self.layers[0][1] if self.wrong == "layer bytes" else json.dumps(manifest).encode()
			name = "blobs/sha256/" + sha(name)[7:]
			files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
		if self.wrong == "missing layer":
			del files["blobs/sha256/" + sha(self.layers[1][1])[7:]]
		return files

	def docker(self):
		"""An archive as older versions write it: a folder a layer, the upper one a link to where it is."""
		config = hashlib.sha256(self.config_text).hexdigest() + ".json"
		listed = [{"Config": config, "RepoTags": [self.name], "Layers": ["one/layer.tar", "two/layer.tar"]}]
		if self.wrong == "two images":
			listed.append({"Config": config, "RepoTags": None, "Layers": []})
		return [("manifest.json", json.dumps(listed).encode()), (config, self.config_text), ("one/",),
			("one/layer.tar", self.tars[0]), ("two/",), ("two/layer.tar", ("->", "../three/layer.tar")), ("three/",),
			("three/layer.tar", self.tars[1])]


def change(path, value):
	def apply(image):
		at = image.config
		for key in path[:-1]:
			at = at[key]
		at[path[-1]] = value
	return apply


def retype(n, kind):
	def apply(image):
		image.layers[n] = (kind, image.layers[n][1])
	return apply


def behind(image):
	image.layers[0] = (image.layers[0][0], image.layers[0][1] + b"more")


wrongs = {
	"diff id": change(["rootfs", "diff_ids", 0], sha(b"other")),
	"too few diff ids": change(["rootfs", "diff_ids"], [sha(lower)]),
	"another machine": change(["architecture"], "s390x"),
	"environment": change(["config", "Env"], ["GREETING"]),
	"gzip said of zstd": retype(1, LAYER + "+gzip"),
	"nothing said of gzip": retype(0, LAYER),
	"no layer": retype(0, "application/vnd.in-toto+json"),
	"bytes behind": behind,
}


def main(kind, out, wrong=""):
	image = Image(wrong)
	if kind == "layout":
		for name, data in image.layout().items():
			path = os.path.join(out, name)
			os.makedirs(os.path.dirname(path), exist_ok=True)
			with open(path, "wb") as f:
				f.write(data)
		return
	rows = {"oci": lambda: [("blobs/",), ("blobs/sha256/",), *reversed(image.layout().items())],
		"docker": image.docker,
		"tar": lambda: [("usr/",), ("usr/bin/",), ("usr/bin/hello", b"hello"), ("etc/",), ("etc/.wh.kept", b"kept")]}[kind]()
	with open(out, "wb") as f:
		f.write(tar(*rows))


if __name__ == "__main__":
	main(*sys.argv[1:])
