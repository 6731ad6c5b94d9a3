/* sandbox - no user, no capability, no path, and only the system calls in the list below. */
#include "dataplane/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "dataplane/base/privilege.h"

#ifdef NO_SANDBOX

/* Sanitizers open files and map memory in ways of their own, and look into their own process at its
 * end. */
int sandbox_drop_user(uint32_t uid, uint32_t gid)
{
	int err = geteuid() == 0 ? privilege_drop(uid, gid) : 0;

	return err < 0 ? err : prctl(PR_SET_DUMPABLE, 1);
}

int sandbox_drop_to_nobody(void)
{
	return 0;
}

int sandbox_forbid_paths(void)
{
	return 0;
}

int sandbox_enter(bool threads)
{
	(void)threads;
	return prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 ? -errno : 0;
}

#else

#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/log.h"
#include "dataplane/base/threads.h"

enum { NOBODY = 65534 };

/* Each allowed call and who needs it. Everything else fails with EPERM. */
/* clang-format off */
static const int allowed[] = {
	/* input files and pipes */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(lseek), SCMP_SYS(pread64), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(poll), SCMP_SYS(ppoll),
	/* live sources: rings are woken, interfaces asked, sources given up one by one */
	SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(pwrite64), SCMP_SYS(shutdown),
	/* log, eventfds */
	SCMP_SYS(write), SCMP_SYS(writev),
	/* a file that waits for room in the ring */
	SCMP_SYS(futex),
	/* a control attaches and leaves; is it root or our own user? */
	SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(geteuid), SCMP_SYS(sendmsg),
	SCMP_SYS(recvfrom), SCMP_SYS(fcntl), SCMP_SYS(close), SCMP_SYS(dup2), SCMP_SYS(dup3),
	/* the allocator */
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mprotect),
	SCMP_SYS(brk), SCMP_SYS(getrandom), SCMP_SYS(sched_yield), SCMP_SYS(getcpu),
	/* clocks, where the vDSO has none */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	/* signals, threads, abort() */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(tgkill), SCMP_SYS(gettid), SCMP_SYS(getpid),
	SCMP_SYS(getppid), SCMP_SYS(rseq), SCMP_SYS(set_robust_list), SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};
/* clang-format on */

/* What a library needs that makes threads (DPDK): its telemetry makes one per client; net_memif
 * accepts a peer and shares memory and eventfds with it; the thread for interrupts makes its epoll
 * set anew when a descriptor joins; timers. */
static const int allowed_with_threads[] = {
	SCMP_SYS(accept), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate), SCMP_SYS(eventfd2),
	SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(timerfd_settime),
	SCMP_SYS(sched_getaffinity),
};

static int forget(void *unused)
{
	(void)unused;
	return privilege_forget();
}

int sandbox_drop_user(uint32_t uid, uint32_t gid)
{
	int err = geteuid() == 0 ? privilege_drop(uid, gid) : privilege_forget();

	/* The C library changes the user of all threads; capabilities it leaves to each. */
	return err < 0 ? err : threads_each(forget, NULL);
}

int sandbox_drop_to_nobody(void)
{
	return sandbox_drop_user(NOBODY, NOBODY);
}

static int restrict_self(void *ruleset_fd)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_landlock_restrict_self, *(int *)ruleset_fd, 0) < 0 ? -errno : 0;
}

/* For the case that the filter below has a hole. */
int sandbox_forbid_paths(void)
{
	struct landlock_ruleset_attr all = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1
	};
	int fd, err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (fd < 0)
		return 0; /* not offered by this kernel; seccomp stands alone */
	/* The others first: this one finds them by a path. */
	err = threads_each(restrict_self, &fd);
	if (err == 0)
		err = restrict_self(&fd);
	close(fd);
	return err;
}

/* allow_threads - clone() for threads and nothing else. What clone3() is asked for lies in memory,
 * where a filter cannot look: the C library goes without it when it is not there. */
static int allow_threads(scmp_filter_ctx ctx)
{
	const scmp_datum_t thread = CLONE_THREAD | CLONE_VM;
	int err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (err == 0)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
	for (size_t i = 0; i < array_count(allowed_with_threads) && err == 0; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed_with_threads[i], 0);
	return err;
}

static int filter_calls(bool threads)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = ctx == NULL ? -ENOMEM : 0;

	if (err == 0)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	for (size_t i = 0; i < array_count(allowed) && err == 0; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (err == 0 && threads)
		err = allow_threads(ctx);
	if (err == 0)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

int sandbox_enter(bool threads)
{
	struct rlimit none = { 0, 0 };
	int err;

	/* A change of user clears it, and the filter below would refuse it. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return -errno;
	setrlimit(RLIMIT_CORE, &none); /* a core would hold captured traffic */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	err = filter_calls(threads);
	if (err == -EINVAL || err == -ENOSYS || err == -ECANCELED) {
		log_warn("seccomp is not offered by this kernel: running without");
		err = 0;
	}
	return err;
}

#endif
