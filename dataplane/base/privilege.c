/* privilege - groups first, then the user, then capabilities: each step needs what the next gives
 * up. */
#include "dataplane/base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The bounding set limits what executed programs can gain. Lowering it needs CAP_SETPCAP, so it
 * goes first; a process without that cannot raise anything either. */
static void lower_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* No program that is executed later may give what was given up. */
static int clear_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int privilege_forget(void)
{
	lower_bounding_set();
	return clear_capabilities();
}

int privilege_drop(uint32_t uid, uint32_t gid)
{
	lower_bounding_set();
	/* Who is nobody special already has no groups to give up, and may not. */
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return -errno;
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return clear_capabilities();
}
