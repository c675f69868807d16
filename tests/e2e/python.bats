#!/usr/bin/env bats
# setup-python: what it finds, what it exports, and what it says when it finds nothing. The tool cache
# is filled by the jobs themselves, as a hosted runner's could be: nothing to build.
# shellcheck disable=SC2154,SC2016 # run sets stderr; the steps expand their variables

bats_require_minimum_version 1.5.0
load helper

# cache VERSION[/ARCH]...: a step that puts Pythons of these versions into the tool cache.
cache() {
	local entry
	printf '      - run: |\n'
	for entry; do
		[[ $entry == */* ]] || entry+=/x64
		printf '          mkdir -p "$RUNNER_TOOL_CACHE/Python/%s/bin"\n' "$entry"
		printf '          ln -s /usr/bin/python3 "$RUNNER_TOOL_CACHE/Python/%s/bin/python"\n' "$entry"
		printf '          touch "$RUNNER_TOOL_CACHE/Python/%s.complete"\n' "$entry"
	done
}

# setup_python KEY: VALUE...: a step with these inputs. An expression is not looked at before the run.
setup_python() {
	printf '      - uses: actions/setup-python@v5\n        id: py\n        with:\n'
	printf '          %s\n' "$@"
}

# python_job STEPS: the project's workflow is one job of these.
python_job() {
	{ printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n'; cat; } | workflow
}

x64() { [ "$(uname -m)" = x86_64 ] || cannot "the rows are written for x64"; }

@test "the variables, outputs and order of PATH that GitHub's action gives" {
	x64
	{
		cache 3.9.18 3.12.1
		setup_python "python-version: \${{ '3.12' }}"
		cat <<-'END'
			      - run: |
			          env | grep -E '^(pythonLocation|PKG_CONFIG_PATH|Python[23]?_ROOT_DIR|LD_LIBRARY_PATH)=' | sort
			          echo "PATH ${PATH%%:/usr*}"
			          echo "out ${{ steps.py.outputs.python-version }} ${{ steps.py.outputs.python-path }} [${{ steps.py.outputs.cache-hit }}]"
			          command -v python
		END
	} | python_job
	cell_run
	exits 0
	at=/opt/hostedtoolcache/Python/3.12.1/x64
	says "LD_LIBRARY_PATH=$at/lib" "PKG_CONFIG_PATH=$at/lib/pkgconfig" "Python2_ROOT_DIR=$at" \
		"Python3_ROOT_DIR=$at" "Python_ROOT_DIR=$at" "pythonLocation=$at" "PATH $at/bin:$at" \
		"out 3.12.1 $at/bin/python []" "$at/bin/python"
}

@test "several versions: all are there, the last one comes first" {
	x64
	{
		cache 3.9.18 3.12.1 3.10.13
		setup_python "python-version: |" "  \${{ '3.10' }}" "  3.9" "  3.12.x"
		cat <<-'END'
			      - run: |
			          echo "PATH ${PATH%%:/usr*}"
			          echo "LIB $LD_LIBRARY_PATH"
			          echo "out ${{ steps.py.outputs.python-version }}"
		END
	} | python_job
	cell_run
	exits 0
	t=/opt/hostedtoolcache/Python
	says "PATH $t/3.12.1/x64/bin:$t/3.12.1/x64:$t/3.9.18/x64/bin:$t/3.9.18/x64:$t/3.10.13/x64/bin:$t/3.10.13/x64" \
		"LIB $t/3.12.1/x64/lib:$t/3.9.18/x64/lib:$t/3.10.13/x64/lib" "out 3.12.1"
}

@test "update-environment: false changes nothing, and the outputs are there" {
	x64
	{
		cache 3.12.1
		setup_python "python-version: \${{ '3.12' }}" "update-environment: false"
		cat <<-'END'
			      - run: |
			          echo "location [$pythonLocation]"
			          echo "out ${{ steps.py.outputs.python-path }}"
		END
	} | python_job
	cell_run
	exits 0
	says "location []" "out /opt/hostedtoolcache/Python/3.12.1/x64/bin/python"
}

@test "a folder without its marker, of another machine, or of a pre-release does not count" {
	x64
	{
		cache 3.12.1 3.12.9/arm64 3.12.8/x64-freethreaded 3.13.0-rc.1
		printf '      - run: mkdir -p "$RUNNER_TOOL_CACHE/Python/3.12.7/x64/bin"\n'
		setup_python "python-version: \${{ '>=3.12' }}"
		printf '      - run: echo "found ${{ steps.py.outputs.python-version }}"\n'
		setup_python "python-version: \${{ '3.12t' }}" | sed 's/id: py/id: free/'
		printf '      - run: echo "free ${{ steps.free.outputs.python-version }}"\n'
		setup_python "python-version: \${{ '3.13' }}" "allow-prereleases: true" | sed 's/id: py/id: pre/'
		printf '      - run: echo "pre ${{ steps.pre.outputs.python-version }}"\n'
	} | python_job
	cell_run
	exits 0
	says "found 3.12.1" "free 3.12.8t" "pre 3.13.0-rc.1"
}

@test "AGENT_TOOLSDIRECTORY is where the tool cache is looked for" {
	x64
	{
		cat <<-'END'
			      - run: |
			          mkdir -p /tmp/tools/Python/3.12.1/x64/bin
			          touch /tmp/tools/Python/3.12.1/x64.complete
			          echo AGENT_TOOLSDIRECTORY=/tmp/tools >>"$GITHUB_ENV"
		END
		setup_python "python-version: \${{ '3' }}"
		printf '      - run: echo "at $pythonLocation"\n'
	} | python_job
	cell_run
	exits 0
	says "at /tmp/tools/Python/3.12.1/x64"
}

@test "the version comes from a file" {
	x64
	mkdir -p "$project/sub"
	printf '3.9 # old\n3.12/envs/x\n' >"$project/sub/versions"
	printf '3.9\n' >"$project/.python-version"
	printf '[project]\nrequires-python = ">=3.9,<3.11"\n' >"$project/pyproject.toml"
	{
		cache 3.9.18 3.12.1
		printf '      - uses: actions/checkout@v4\n'
		for file in .python-version pyproject.toml nowhere; do
			setup_python "python-version-file: $file" | sed "s/id: py/id: ${file//[^a-z]/}/"
			[ $file != nowhere ] || printf '        continue-on-error: true\n'
		done
		printf '      - uses: actions/setup-python@v5\n        id: default\n'
		printf '      - run: echo "found %s %s %s"\n' '${{ steps.pythonversion.outputs.python-version }}' \
			'${{ steps.pyprojecttoml.outputs.python-version }}' '${{ steps.default.outputs.python-version }}'
	} | python_job
	cell_run
	exits 0
	says "found 3.9.18 3.9.18 3.9.18" "pyproject.toml: >=3.9 <3.11" "'nowhere'"
}

@test "a file of more versions than anybody needs" {
	yes 3.12.1 | head -n 5000 >"$project/.python-version"
	{
		cache 3.12.1
		printf '      - uses: actions/checkout@v4\n      - uses: actions/setup-python@v5\n'
	} | python_job
	cell_run
	exits 1
	says "5000 versions are asked for; there may be 64"
}

@test "no version asked for: the root's own, and it is said" {
	setup_python "check-latest: false" | python_job
	cell_run
	exits 0
	says "no version is asked for"
}

@test "an unquoted 3.10 is the number 3.1, and the run says so before it starts" {
	{ setup_python "python-version: 3.10"; job never 'echo ran'; } | python_job
	cell_run
	exits 4
	says "no toolchain for Python 3.1 (3.10 without quotes is the number 3.1: write '3.10')"
	says_not ran
	python_job <<-'END'
		      - uses: actions/setup-python@v5
		        with:
		          python-version: ${{ matrix.python }}
	END
	sed -i 's/    steps:/    strategy: {matrix: {python: [3.10]}}\n    steps:/' "$project/.github/workflows/ci.yml"
	cell_run
	exits 1
	says "write '3.10'"
}

@test "another Python than CPython is named, and refused" {
	setup_python "python-version: pypy3.10" | python_job
	cell_run
	exits 4
	says "'pypy3.10' is PyPy"
}

@test "image resolve says the order of the search aloud" {
	run --separate-stderr "$STEPCELL" image resolve --architecture x64 'python 3.x'
	exits 4
	[[ "$stderr" == "3.x is the range '3.x', for x64"* ]]
	says "in the store, for any root: none" "stepcell image build python-3.11"
	run --separate-stderr "$STEPCELL" image resolve --image host --architecture riscv 3.x
	exits 4
	says "in the tool cache of the root: " "no toolchain for Python 3.x for riscv"
	run "$STEPCELL" image resolve node 20
	exits 2
}

# pip_job STEPS: a job that caches pip's files, with what the action says of it.
pip_job() {
	{
		printf '      - uses: actions/checkout@v4\n'
		cache 3.12.1
		setup_python "python-version: \${{ '3.12' }}" "cache: pip"
		printf '      - run: |\n          echo "hit [${{ steps.py.outputs.cache-hit }}] $(cat ~/.cache/pip/wheel 2>/dev/null)"\n'
		printf '          mkdir -p ~/.cache/pip\n          echo kept >~/.cache/pip/wheel\n'
	} | python_job
}

@test "cache: pip keeps pip's cache under GitHub's key, until what it is made of changes" {
	x64
	printf 'pytest\n' >"$project/requirements.txt"
	pip_job
	cell_run
	exits 0
	hash=$(python3 -c 'import hashlib, sys
one = hashlib.sha256(open(sys.argv[1], "rb").read()).digest()
print(hashlib.sha256(one).hexdigest())' "$project/requirements.txt")
	. /etc/os-release
	key=setup-python-Linux-x64-$VERSION_ID-${ID^}-python-3.12.1-pip-$hash
	says "no pip cache '$key'" "hit [false] " "cache '$key' saved"
	cell_run
	exits 0
	says "hit [true] kept" "the cache '$key' was hit"
	printf 'pytest\nblack\n' >"$project/requirements.txt"
	cell_run
	exits 0
	says "hit [false] kept" "saved for refs/heads/main"
}

@test "cache: pip without a file to make its key of, and other managers" {
	x64
	pip_job
	cell_run
	exits 1
	says "no file in the workspace matches **/requirements.txt or **/pyproject.toml"
	pip_job
	sed -i 's/cache: pip/cache: poetry/' "$project/.github/workflows/ci.yml"
	cell_run
	exits 1
	says "cache: 'poetry' is not served"
}
