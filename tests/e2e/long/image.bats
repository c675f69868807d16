#!/usr/bin/env bats
# Building images for real, from Debian's packages.
# shellcheck disable=SC2154 # run sets stderr

bats_require_minimum_version 1.5.0
load ../helper
load ../toolchains

teardown() { user_close; }

# no_subids: the user has no subordinate ids from here on.
no_subids() {
	local range
	range=$(sed -n "s/^$user:\([0-9]*\):\([0-9]*\)$/\1 \2/p" /etc/subuid)
	[ -z "$range" ] || usermod --del-subuids "${range% *}-$((${range% *} + ${range#* } - 1))" \
		--del-subgids "${range% *}-$((${range% *} + ${range#* } - 1))" "$user"
}

@test "root and a user without subordinate ids build the same image, and the host stays as it is" {
	[ "$(id -u)" = 0 ] || cannot "it takes root to build as root and as another user"
	user_open
	no_subids
	before=$(host_state)
	USER_TIMEOUT=900 as_user stepcell image build --quiet python-3.11 >by-user
	built "$STEPCELL" image build --quiet python-3.11 >by-root
	grep -qE '^sha256:[0-9a-f]{64}$' by-root
	diff by-root by-user
	[ "$before" = "$(host_state)" ]
	run ! grep -F "$toolchains" /proc/self/mountinfo
	[ -z "$(built ls "$toolchains/home/store/staging")" ]

	# the second time there is nothing to do
	run --separate-stderr built timeout 5 "$STEPCELL" image build python-3.11
	exits 0
	says "is there already"
}
