#!/bin/bash
# answers.sh: doctor's answer in the virtual machine, Linux 6.1 on pure cgroup v2, as whoever calls.
set -u
here=$(dirname "$0")

# shellcheck source=tests/escape/say.bash
. "$here/../escape/say.bash"
# shellcheck source=tests/vm/doctor.bash
. "$here/doctor.bash"

for wall in userns mountns pidns netns ipcns utsns cgroupns timens overlay proc devpts capabilities seccomp pids-rlimit; do
	doctor "" $wall up
done
doctor "" landlock partial "6.2"
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
if [ "$(id -u)" = 0 ] || [[ $own == *builder* ]]; then
	for wall in cgroup-memory cgroup-pids cgroup-cpu cgroup-io; do
		doctor "" $wall up "v2"
	done
	doctor "" cgroup-birth up
else
	for wall in cgroup-memory cgroup-pids cgroup-cpu cgroup-io; do
		doctor "" $wall down "--delegate"
	done
	doctor "" cgroup-memory down "memory is counted every now and then\""
	doctor "" cgroup-birth partial
fi
echo "1..$tests"
exit $((failed > 0))
