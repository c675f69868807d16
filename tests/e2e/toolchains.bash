# Shared by the long tests that run on toolchain images. One takes a minute or more to build and seconds to
# import: each is built once for all of them, by who asks first, in a state home beside the binary that
# `make e2e` begins anew.

toolchains=${STEPCELL%/*}/toolchains

# built COMMAND...: in that state home, where nobody else builds meanwhile.
built() {
	mkdir -p "$toolchains/home" && STEPCELL_HOME=$toolchains/home flock "$toolchains/lock" "$@"
}

# toolchain NAME: the caller's state home has the image of that recipe. Where it cannot be built, it is said why.
toolchain() {
	built "$STEPCELL" image build --quiet "$1" >/dev/null &&
		built sh -c '[ -s "$2" ] || { "$0" image export -o "$2.new" "$1" && mv "$2.new" "$2"; }' \
			"$STEPCELL" "$1" "$toolchains/$1.tar.zst" &&
		"$STEPCELL" image import --quiet --toolchains "$toolchains/$1.tar.zst" >/dev/null
}

# host_state: what a build would touch if it got out of its root.
host_state() { tree_hash /etc/apt; tree_hash /var/lib/dpkg/info; tree_hash /var/lib/apt/lists; }
