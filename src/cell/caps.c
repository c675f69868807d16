#include "cell/caps.h"

#include <errno.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "stepcell/util.h"

/* uid 0 is nobody special, and no process of the cell can change that. */
#define LOCKED_BITS                                                                                \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                           \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |   \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/* The kernel may know more capabilities than the library: count up to where it says EINVAL. */
static bool cap_exists(int cap)
{
	return prctl(PR_CAPBSET_READ, (unsigned long)cap, 0, 0, 0) >= 0;
}

static int drop_bounding(struct err *err)
{
	for (int cap = 0; cap_exists(cap); cap++)
		if (prctl(PR_CAPBSET_DROP, (unsigned long)cap, 0, 0, 0) < 0)
			return err_sys(err, "cannot drop capability %d from the bounding set", cap);
	return 0;
}

static int clear_process_sets(struct err *err)
{
	cap_t none = cap_init();
	int r;

	if (!none)
		return err_sys(err, "cannot make an empty capability set");
	r = cap_set_proc(none);
	cap_free(none);
	return r < 0 ? err_sys(err, "cannot give up the capabilities") : 0;
}

int caps_drop_all(struct err *err)
{
	/* CAP_SETPCAP is what the first two rows need, so the set that holds it goes last. */
	if (prctl(PR_SET_SECUREBITS, (unsigned long)LOCKED_BITS, 0, 0, 0) < 0)
		return err_sys(err, "cannot lock the securebits");
	if (drop_bounding(err) < 0)
		return -1;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(err, "cannot clear the ambient set");
	return clear_process_sets(err);
}

static const struct {
	const char *name;
	cap_flag_t flag;
} process_sets[] = {
	{"effective", CAP_EFFECTIVE},
	{"permitted", CAP_PERMITTED},
	{"inheritable", CAP_INHERITABLE},
};

static int assert_process_sets(cap_t caps, int cap, struct err *err)
{
	for (size_t i = 0; i < COUNT(process_sets); i++) {
		cap_flag_value_t value = CAP_SET;

		if (cap_get_flag(caps, cap, process_sets[i].flag, &value) < 0)
			return err_sys(err, "cannot read capability %d", cap);
		if (value != CAP_CLEAR)
			return err_fail(err, ERR_SYSTEM, "capability %d is still in the %s set",
					cap, process_sets[i].name);
	}
	return 0;
}

static int assert_sets(cap_t caps, struct err *err)
{
	for (int cap = 0; cap_exists(cap); cap++) {
		if (prctl(PR_CAPBSET_READ, (unsigned long)cap, 0, 0, 0) != 0)
			return err_fail(err, ERR_SYSTEM,
					"capability %d is still in the bounding set", cap);
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, (unsigned long)cap, 0, 0) != 0)
			return err_fail(err, ERR_SYSTEM,
					"capability %d is still in the ambient set", cap);
		if (assert_process_sets(caps, cap, err) < 0)
			return -1;
	}
	return 0;
}

int caps_assert_none(struct err *err)
{
	cap_t caps = cap_get_proc();
	int r;

	if (!caps)
		return err_sys(err, "cannot read the capabilities");
	r = assert_sets(caps, err);
	cap_free(caps);
	return r;
}

int no_new_privs_set(struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return err_sys(err, "cannot set no_new_privs");
	return 0;
}

bool caps_may_administrate(void)
{
	cap_t own = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	if (own) {
		(void)cap_get_flag(own, CAP_SYS_ADMIN, CAP_EFFECTIVE, &value);
		cap_free(own);
	}
	return value == CAP_SET;
}
