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

# setup_python KEY: VALUE...: a step with these inputs. What asks how the job stands is not looked at before the run.
setup_python() {
	printf '      - uses: actions/setup-python@v5\n        id: py\n        with:\n'
	printf '          %s\n' "$@"
}

x64() { [ "$(uname -m)" = x86_64 ] || cannot "the rows are written for x64"; }

@test "the variables, outputs and order of PATH that GitHub's action gives" {
	x64
	{
		cache 3.9.18 3.12.1
		setup_python "python-version: \${{ job.status && '3.12' }}"
		cat <<-'END'
			      - run: |
			          env | grep -E '^(pythonLocation|PKG_CONFIG_PATH|Python[23]?_ROOT_DIR|LD_LIBRARY_PATH)=' | sort
			          echo "PATH ${PATH%%:/usr*}"
			          echo "out ${{ steps.py.outputs.python-version }} ${{ steps.py.outputs.python-path }} [${{ steps.py.outputs.cache-hit }}]"
			          command -v python
		END
	} | steps
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
		setup_python "python-version: |" "  \${{ job.status && '3.10' }}" "  3.9" "  3.12.x"
		cat <<-'END'
			      - run: |
			          echo "PATH ${PATH%%:/usr*}"
			          echo "LIB $LD_LIBRARY_PATH"
			          echo "out ${{ steps.py.outputs.python-version }}"
		END
	} | steps
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
		setup_python "python-version: \${{ job.status && '3.12' }}" "update-environment: false"
		cat <<-'END'
			      - run: |
			          echo "location [$pythonLocation]"
			          echo "out ${{ steps.py.outputs.python-path }}"
		END
	} | steps
	cell_run
	exits 0
	says "location []" "out /opt/hostedtoolcache/Python/3.12.1/x64/bin/python"
}

@test "a folder without its marker, of another machine, or of a pre-release does not count" {
	x64
	{
		cache 3.12.1 3.12.9/arm64 3.12.8/x64-freethreaded 3.13.0-rc.1
		printf '      - run: mkdir -p "$RUNNER_TOOL_CACHE/Python/3.12.7/x64/bin"\n'
		setup_python "python-version: \${{ job.status && '>=3.12' }}"
		printf '      - run: echo "found ${{ steps.py.outputs.python-version }}"\n'
		setup_python "python-version: \${{ job.status && '3.12t' }}" | sed 's/id: py/id: free/'
		printf '      - run: echo "free ${{ steps.free.outputs.python-version }}"\n'
		setup_python "python-version: \${{ job.status && '3.13' }}" "allow-prereleases: true" | sed 's/id: py/id: pre/'
		printf '      - run: echo "pre ${{ steps.pre.outputs.python-version }}"\n'
	} | steps
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
		setup_python "python-version: \${{ job.status && '3' }}"
		printf '      - run: echo "at $pythonLocation"\n'
	} | steps
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
	} | steps
	cell_run
	exits 0
	says "found 3.9.18 3.9.18 3.9.18" "pyproject.toml: >=3.9 <3.11" "'nowhere'"
}

@test "a file of more versions than anybody needs" {
	yes 3.12.1 | head -n 5000 >"$project/.python-version"
	{
		cache 3.12.1
		printf '      - uses: actions/checkout@v4\n      - uses: actions/setup-python@v5\n'
	} | steps
	cell_run
	exits 1
	says "5000 versions are asked for; there may be 64"
}

@test "no version asked for: the root's own, and it is said" {
	setup_python "check-latest: false" | steps
	cell_run
	exits 0
	says "no version is asked for"
}

@test "an unquoted 3.10 is the number 3.1, and the run says so before it starts" {
	{ setup_python "python-version: 3.10" | job_of a; job never 'echo ran'; } | on_push
	cell_run
	exits 4
	says "no toolchain for Python 3.1 (3.10 without quotes is the number 3.1: write '3.10')"
	says_not ran
	steps <<-'END'
		- uses: actions/setup-python@v5
		  with: { python-version: '${{ matrix.python }}' }
	END
	sed -i 's/    steps:/    strategy: {matrix: {python: [3.10]}}\n    steps:/' "$project/.github/workflows/ci.yml"
	cell_run
	exits 4
	says "ci.yml:7: job 'a': no toolchain for Python 3.1 (3.10 without quotes is the number 3.1: write '3.10')" \
		"\`stepcell image build python-3.10\`"
}

# matrix_job MATRIX [KEY: VALUE]...: a job that sets up each Python of a matrix.
matrix_job() {
	cat <<-END
		on: push
		jobs:
		  test:
		    runs-on: ubuntu-latest
		    strategy: { matrix: $1 }
		$(printf '    %s\n' "${@:2}")
		    steps:
		      - uses: actions/setup-python@v5
		        with:
		          python-version: \${{ matrix.python }}
		          allow-prereleases: \${{ matrix.pre || false }}
		      - run: echo "ran"
	END
}

@test "all Pythons of a matrix that are missing are named before anything starts, with what brings them" {
	x64
	matrix_job "{ python: ['3.8', '3.9', '3.7', '3.8'], os: [a, b], exclude: [{python: '3.9', os: a}] }" | workflow
	{
		printf '  other:\n    runs-on: ubuntu-latest\n    steps:\n'
		setup_python "python-version: |" "  3.8" "  >=3.8 <3.10"
	} >>"$project/.github/workflows/ci.yml"
	cell_run
	exits 4
	says_not ran
	says "no toolchain for
  .github/workflows/ci.yml:8: job 'test': Python 3.8 for x64
  .github/workflows/ci.yml:8: job 'test': Python 3.9 for x64
  .github/workflows/ci.yml:8: job 'test': Python 3.7 for x64: no recipe of rootfs/ makes one; docs/RECIPES.md says how to write one, of kind: prefix
  .github/workflows/ci.yml:16: job 'other': Python 3.8 for x64
  .github/workflows/ci.yml:16: job 'other': Python >=3.8 <3.10 for x64
there are:" "; these bring what is missing:
  stepcell image build python-3.8
  stepcell image build python-3.9"
	[ "$(all | grep -c 'image build')" = 2 ]
}

@test "a Python that no step would ask for, or that may be missing, is no reason not to start" {
	x64
	# of a combination that is excluded, of a job that does not run, of steps and jobs that may fail
	matrix_job "{ python: ['3.8'], exclude: [{python: '3.8'}], include: [{python: '3.x'}] }" | workflow
	cell_run
	exits 0
	says ran
	matrix_job "{ python: ['3.8'] }" "if: github.event_name != 'push'" | workflow
	cell_run
	exits 0
	matrix_job "{ python: ['3.8', '3.x'] }" "continue-on-error: \${{ matrix.python == '3.8' }}" | workflow
	cell_run
	exits 0
	says ran "no toolchain for Python 3.8 for x64"
	matrix_job "{ python: ['3.8'] }" | sed "s/- uses:/- if: matrix.python != '3.8'\n        uses:/" | workflow
	cell_run
	exits 0
	says ran
}

@test "another Python than CPython is named, and refused" {
	setup_python "python-version: pypy3.10" | steps
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
	says "in the tool cache of the root: " "no toolchain for Python 3.x for riscv" "this machine is x64, and no other runs on it"
	run "$STEPCELL" image resolve node 20
	exits 2
}

# What is asked for, and what the answer advises.
advice=(
	"3.1|write '3.10')|\`stepcell image build python-3.10\`"
	"python 3.10|Python 3.10 for x64|\`stepcell image build python-3.10\`"
	"3.10.4|Python 3.10.4 for x64|\`stepcell image build python-3.10\`"
	"<3.12|Python <3.12 for x64|\`stepcell image build python-3.11\`"
	">=3.9 <3.11|for x64|\`stepcell image build python-3.10\`"
	"3.8 \|\| 3.9|for x64|\`stepcell image build python-3.9\`"
	"3.13t|for x64-freethreaded|\`stepcell image build python-3.13t\`"
	"3.12t|for x64-freethreaded|It cannot be built: no recipe"
	"3.7|Python 3.7 for x64|It cannot be built: no recipe of rootfs/ makes one; docs/RECIPES.md"
	"2|Python 2 for x64|It cannot be built: no recipe"
	">=3.20|Python >=3.20 for x64|It cannot be built: no recipe"
)

@test "image resolve advises a recipe that would do, and none that is not there" {
	x64
	for row in "${advice[@]}"; do
		IFS='#' read -r asked said advised <<<"$(sed 's/\\|/%/g; s/|/#/g; s/%/|/g' <<<"$row")"
		run --separate-stderr "$STEPCELL" image resolve "$asked"
		exits 4
		says "$said" "$advised"
	done
}

# pip_job STEPS: a job that caches pip's files, with what the action says of it.
pip_job() {
	{
		printf '      - uses: actions/checkout@v4\n'
		cache 3.12.1
		setup_python "python-version: \${{ job.status && '3.12' }}" "cache: pip"
		printf '      - run: |\n          echo "hit [${{ steps.py.outputs.cache-hit }}] $(cat ~/.cache/pip/wheel 2>/dev/null)"\n'
		printf '          mkdir -p ~/.cache/pip\n          echo kept >~/.cache/pip/wheel\n'
	} | steps
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
	says "no file in the workspace matches **/poetry.lock, of which"
	pip_job
	sed -i 's/cache: pip/cache: conda/' "$project/.github/workflows/ci.yml"
	cell_run
	exits 1
	says "cache: 'conda' is none of pip, pipenv and poetry"
}

# poetry_make: a step that puts a poetry on PATH, which says where it keeps what and notes what it is asked.
poetry_make() {
	cat <<-'END'
		      - run: |
		          mkdir ~/bin
		          cat >~/bin/poetry <<'EOF'
		          #!/bin/sh
		          case "$*" in
		          "config --list")
		            echo 'cache-dir = "/home/runner/.cache/pypoetry"'
		            if [ -e in-project ]; then echo 'virtualenvs.in-project = true'; else echo 'virtualenvs.in-project = null'; fi
		            echo 'virtualenvs.path = "{cache-dir}/virtualenvs"  # /home/runner/.cache/pypoetry/virtualenvs' ;;
		          *) echo "poetry $* in $PWD" ;;
		          esac
		          EOF
		          chmod +x ~/bin/poetry
		          echo ~/bin >>"$GITHUB_PATH"
	END
}

# hash_files FILE...: what hashFiles() says of these, in this order.
hash_files() {
	python3 -c 'import hashlib, sys
one = lambda name: hashlib.sha256(open(name, "rb").read()).digest()
print(hashlib.sha256(b"".join(map(one, sys.argv[1:]))).hexdigest())' "$@"
}

# The manager, its inputs, the files that its key is made of, what the key has in front of their hash, and the
# folders that are kept.
managers=(
	"pipenv||Pipfile.lock sub/Pipfile.lock|pipenv|~/.local/share/virtualenvs"
	"pipenv|cache-dependency-path: sub/*.lock|sub/Pipfile.lock sub/poetry.lock|pipenv|~/.local/share/virtualenvs"
	"poetry||poetry.lock sub/poetry.lock|poetry-v2|~/.cache/pypoetry/virtualenvs sub/.venv"
	"poetry|cache-dependency-path: poetry.lock|poetry.lock|poetry-v2|~/.cache/pypoetry/virtualenvs"
)

# manager_job MANAGER INPUT FOLDER...: a job that caches for MANAGER, shows what it got, and fills the folders.
manager_job() {
	{
		printf '      - uses: actions/checkout@v4\n'
		cache 3.12.1
		poetry_make
		setup_python "python-version: \${{ job.status && '3.12' }}" "cache: $1" ${2:+"$2"}
		printf '      - run: |\n          echo "hit [${{ steps.py.outputs.cache-hit }}]"\n'
		for folder in "${@:3}"; do
			printf '          echo "found $(cat %s/kept)"\n' "$folder"
			printf '          mkdir -p %s; echo "it in %s" >%s/kept\n' "$folder" "$folder" "$folder"
		done
	} | steps
}

# shellcheck disable=SC2086 # files and folders of a row are words
@test "cache: pipenv and poetry under GitHub's keys, with the folders that each names" {
	x64
	mkdir "$project/sub"
	for file in Pipfile.lock poetry.lock sub/Pipfile.lock sub/poetry.lock; do echo "$file" >"$project/$file"; done
	touch "$project/sub/in-project"
	for row in "${managers[@]}"; do
		IFS='|' read -r manager input files mark folders <<<"$row"
		key=setup-python-Linux-x64-python-3.12.1-$mark-$(cd "$project" && hash_files $files)
		rm -rf "$STEPCELL_HOME/caches"
		manager_job "$manager" "$input" $folders
		cell_run
		exits 0
		says "no $manager cache '$key'" "hit [false]" "cache '$key' saved for refs/heads/main: $(wc -w <<<"$folders") files"
		cell_run
		exits 0
		says "hit [true]" "the cache '$key' was hit"
		for folder in $folders; do says "found it in $folder"; done
		[ "$manager" = pipenv ] || says "poetry env use /opt/hostedtoolcache/Python/3.12.1/x64/bin/python in /home/runner/work/project/project"
	done
	says_not "/project/sub" # of the last row's one project
	# other files: nothing of before is taken, as on GitHub
	echo more >>"$project/poetry.lock"
	cell_run
	exits 0
	says "hit [false]" "no poetry cache '"
}

@test "cache: poetry without a poetry" {
	x64
	touch "$project/poetry.lock"
	manager_job poetry "" ~/none
	sed -i '/GITHUB_PATH/d' "$project/.github/workflows/ci.yml"
	cell_run
	exits 1
	says "there is no poetry on PATH to ask for its folders; a step before this one installs it"
}

# talkers VERSION...: a step that puts Pythons into the tool cache that say how they are called.
talkers() {
	cache "$@"
	printf '      - run: |\n          printf '"'"'#!/bin/sh\\necho "$0 $*"\\n[ "$4" != bad ]\\n'"'"' >~/talker; chmod +x ~/talker\n'
	printf '          cp --remove-destination ~/talker "$RUNNER_TOOL_CACHE/Python/%s/x64/bin/python"\n' "$@"
}

@test "pip-version in every Python, then pip-install in the one that is first on PATH, word by word" {
	x64
	t=/opt/hostedtoolcache/Python
	{
		talkers 3.9.18 3.12.1
		setup_python "python-version: |" "  3.9" "  \${{ job.status && '3.12' }}" "pip-version: '24.0'" \
			"pip-install: \"-r req.txt  'a b' \$(id) x>=1\""
	} | steps
	cell_run
	exits 0
	upgrade="--disable-pip-version-check --no-warn-script-location"
	says "$t/3.9.18/x64/bin/python -m pip install --upgrade pip==24.0 $upgrade" \
		"$t/3.12.1/x64/bin/python -m pip install --upgrade pip==24.0 $upgrade" \
		"$t/3.12.1/x64/bin/python -m pip install -r req.txt 'a b' \$(id) x>=1"
	[ "$(all | grep -c -- '-m pip install')" = 3 ]
	# a pip that fails, fails the step
	{
		talkers 3.12.1
		setup_python "python-version: \${{ job.status && '3.12' }}" "pip-install: bad"
		printf '      - run: echo never\n'
	} | steps
	cell_run
	exits 1
	says "python -m pip install bad" "exit code 1" "skipped Run echo never"
}

@test "pip-install behind a cache that was restored: both are done" {
	x64
	echo x >"$project/requirements.txt"
	{
		printf '      - uses: actions/checkout@v4\n'
		talkers 3.12.1
		setup_python "python-version: \${{ job.status && '3.12' }}" "cache: pip" "pip-install: one"
		printf '      - run: mkdir -p ~/.cache/pip; echo "found $(cat ~/.cache/pip/kept)"; echo it >~/.cache/pip/kept\n'
	} | steps
	cell_run
	exits 0
	says "python -m pip install one"
	says_not "found it"
	cell_run
	exits 0
	says "python -m pip install one" "found it"
}

@test "pip-version that is none, and another machine's Pythons, are said" {
	x64
	for pip in latest 24.0.1.2 '"24."' '"24.0 evil"'; do
		{ cache 3.12.1; setup_python "python-version: \${{ job.status && '3.12' }}" "pip-version: $pip"; } | steps
		cell_run
		exits 1
		says "pip-version: '${pip//\"/}' is none; write it as MAJOR[.MINOR][.PATCH]"
	done
	{ cache 3.12.1; setup_python "python-version: \${{ job.status && '3.12' }}" "architecture: x86"; } | steps
	cell_run
	exits 1
	says "no toolchain for Python 3.12 for x86; "
}
