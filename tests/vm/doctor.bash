# doctor.bash: asserts on doctor's answer; say.bash is there, and $here.
# shellcheck shell=bash

# doctor WHO WALL STATE [TEXT]: its row in doctor --json has the state, and TEXT in why or mend.
# WHO empty: the caller.
doctor() {
	local row name="doctor: $2 is $3${1:+, as $1}"

	row=$(${1:+"$here/as" "$1"} "$STEPCELL" doctor --json 2>&1 | python3 -c '
import json, sys
rows = {w["name"]: w for w in json.load(sys.stdin)["walls"]}
print(json.dumps(rows[sys.argv[1]]))' "$2" 2>&1)
	if [[ $row == *"\"state\": \"$3\""* && $row == *"${4-}"* ]]; then
		pass "$name${4:+: $4}"
	else
		fail "$name${4:+: $4}" "$row"
	fi
}
