#!/bin/bash
# language.sh LANGUAGE: reading workflows and evaluating expressions, how fast; and what hostile files cost.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
language=$(realpath "$1")
shared=$(realpath -m "${STEPCELL_SHARED:-$here/../../../shared}")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

# A workflow of 10,000 lines as people write them: 58 jobs, each needs the one before, 20 steps with expressions.
python3 - <<'PY' >large.yml
print("on: {push: {branches: [main]}}\npermissions: {contents: read}\njobs:")
for j in range(58):
	print(f"""  job{j}:
    name: build ${{{{ matrix.os }}}} ${{{{ matrix.python }}}}
    runs-on: ${{{{ matrix.os }}}}
    if: github.ref == 'refs/heads/main' || startsWith(github.head_ref, 'release/')
    strategy:
      fail-fast: false
      matrix:
        os: [ubuntu-latest, windows-latest, macos-latest]
        python: ['3.10', '3.11', '3.12']
    outputs:
      version: ${{{{ steps.step19.outputs.version }}}}""" + (f"\n    needs: [job{j - 1}]" if j else "") + "\n    steps:")
	for k in range(20):
		print(f"""      - name: step {k} of ${{{{ matrix.python }}}}
        id: step{k}
        if: {f"steps.step{k - 1}.outcome == 'success'" if k else 'always()'}
        run: |
          echo "building ${{{{ github.sha }}}} for ${{{{ matrix.python }}}}"
          python -m build --outdir dist
        env:
          TOKEN: ${{{{ secrets.TOKEN }}}}""")
PY

# The middle one of five, in ms: by the clock, and of the processor.
middle() {
	for _ in 1 2 3 4 5; do "$language" time "$@" | awk '{ print $1, $2 }'; done | sort -n | sed -n 3p
}

echo "reading and evaluating, load $(cut -d ' ' -f 1-3 /proc/loadavg)"
read -r clock processor < <(middle "$STEPCELL" lint large.yml)
echo "  lint of a workflow of $(wc -l <large.yml) lines: $clock ms, of the processor $processor ms (goal 50)"
if [ -d "$shared/conformance" ]; then
	files=$(find "$shared/conformance" -name '*.yml' -o -name '*.yaml' | wc -l)
	read -r clock processor < <(middle "$STEPCELL" lint "$shared/conformance")
	awk -v n="$files" -v c="$clock" -v p="$processor" 'BEGIN {
		printf "  lint of %d files of public data in one call: %d files a second, %d of the processor\n",
			n, n / c * 1000, n / p * 1000 }'
else
	echo "  lint of public data: not here ($shared/conformance)"
fi
printf '  a million evaluations of a mixed expression: %s (goal 1)\n' "$("$language" evaluate 1000000)"

echo "hostile files (goals: at once, 64 MiB)"
printf '  %-13s %8s %8s %6s %4s  %s\n' file ms 'cpu ms' MiB exit 'first line'
python3 "$here/../cases/hostile.py" | while read -r f _; do
	printf '  %-13s %s\n' "$f" "$("$language" time "$STEPCELL" lint "$f")"
done

# A pattern that a matcher with a memory for one place would try in more ways than there are atoms.
printf 'on: {push: {branches: ["%s"]}}\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: x}]}}\n' \
	"$(printf 'a+*a?%.0s' {1..100})" >glob-plan.yml
mkdir checkout
STEPCELL_HOME=$tmp/home
export STEPCELL_HOME
printf '  %-13s %s\n' glob-plan.yml "$("$language" time "$STEPCELL" plan -C checkout -W glob-plan.yml \
	--ref "refs/heads/$(printf 'a%.0s' {1..240})b")"
