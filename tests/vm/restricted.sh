#!/bin/bash
# restricted.sh: in the virtual machine booted without Landlock, and then with user namespaces switched off
# in the two ways that Debian knows: what doctor says, and what a policy that requires the wall does.
set -u
here=$(dirname "$0")

# shellcheck source=tests/escape/say.bash
. "$here/../escape/say.bash"
# shellcheck source=tests/vm/doctor.bash
. "$here/doctor.bash"

project=/var/project
mkdir -p $project/.github/workflows
cat >$project/.github/workflows/ci.yml <<-'YML'
	on: push
	jobs:
	  a:
	    runs-on: ubuntu-latest
	    steps:
	      - run: printf did-; echo 2
YML
printf 'name: most\nrequire: [userns, seccomp]\n' >/var/most.yml
chmod -R a+rX $project /var/most.yml

# refused WHO NAME WALL POLICY: a run under it ends with 4 and names the wall.
refused() {
	local said code

	said=$("$here/as" "$1" "$STEPCELL" run -C $project --image host --policy "$4" 2>&1)
	code=$?
	if [ $code = 4 ] && [[ $said == *"$3"* && $said == *doctor* && $said != *did-2* ]]; then
		pass "$2: a run that requires it is refused with 4, as $1"
	else
		fail "$2: a run that requires it is refused with 4, as $1" "exit $code" "$said"
	fi
}

# runs WHO NAME [WORD]: under a policy that requires less it runs, and names what is missing.
runs() {
	local said code

	said=$("$here/as" "$1" "$STEPCELL" run -C $project --image host --policy /var/most.yml 2>&1)
	code=$?
	if [ $code = 0 ] && [[ $said == *did-2* && $said == *"${3-}"* ]]; then
		pass "$2: a run that does not require it runs and says so, as $1"
	else
		fail "$2: a run that does not require it runs and says so, as $1" "exit $code" "$said"
	fi
}

for who in root user; do
	doctor $who landlock down "lsm="
	refused $who "no Landlock" landlock default
	runs $who "no Landlock" landlock
done

# This boot has none of the modules by which sockets are counted.
doctor user cgroup-memory down unix_diag

sysctl -qw kernel.unprivileged_userns_clone=0
doctor user userns down "sysctl -w kernel.unprivileged_userns_clone=1"
doctor user overlay down "what mends userns"
doctor root userns up
refused user "user namespaces for root alone" userns /var/most.yml
runs root "user namespaces for root alone"
sysctl -qw kernel.unprivileged_userns_clone=1

limit=$(sysctl -n user.max_user_namespaces)
sysctl -qw user.max_user_namespaces=0
for who in root user; do
	doctor $who userns down "sysctl -w user.max_user_namespaces="
	refused $who "no user namespaces" userns /var/most.yml
done
sysctl -qw user.max_user_namespaces="$limit"
runs user "user namespaces again"
echo "1..$tests"
exit $((failed > 0))
