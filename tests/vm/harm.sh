#!/bin/bash
# harm.sh: in the virtual machine, what would be the end of it, tried for real in cells as root and as an
# ordinary user, and as root outside, where it must work. The two that end it at once are tried outside
# by tests/vm/inside, when all else is written down.
set -u
dir=/var/harm
here=$(dirname "$0")

# shellcheck source=tests/escape/say.bash
. "$here/../escape/say.bash"

mkdir -p $dir
cp vm/harm vm/dummy.ko vm/kernel $dir/
dd if=/dev/zero of=$dir/swap bs=1M count=8 status=none
mkswap -q $dir/swap
chmod 644 $dir/swap
chmod -R a+rX $dir

# row NAME CONTROL: CONTROL is `outside`, or what tries it later.
row() {
	local said who control="tried by $2"

	for who in root user; do
		said=$("$here/as" $who "$STEPCELL" exec --checkout $dir -- ./harm "$1" 2>$dir/stderr)
		case $said in
		held:*) pass "$1 in a cell, as $who: ${said#held: }" ;;
		*) fail "$1 in a cell, as $who" "$said" "$(cat $dir/stderr)" ;;
		esac
	done
	[ "$2" = outside ] || return 0
	control=$(cd $dir && ./harm "$1" 2>&1)
	case $control in
	open:*) pass "control: $1 outside of a cell" ;;
	*) fail "control: $1 outside of a cell" "$control" ;;
	esac
}

row reboot later
row sysrq later
row core-pattern outside
row modprobe outside
row module outside
row unload outside
row module-bytes outside
row kexec outside
row swapon outside
row clock outside
row hostname outside
swapoff $dir/swap
echo "1..$tests"
exit $((failed > 0))
