/* host - this machine, as far as it decides how well weir captures here.
 *
 * Files of /proc and /sys are read below `root`, which tests set to a folder of their own. What is
 * in no file was found out once, by host_open(), and is a plain field that tests fill in.
 *
 * Threads: main.
 */
#ifndef CONTROL_HOST_HOST_H
#define CONTROL_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/nic.h"

enum { HOST_LINKS_MAX = 256, HOST_CPUS_MAX = 1024, HOST_TEXT_BYTES = 4096, HOST_PATH_BYTES = 512 };

/* A set of processors. */
struct cpus {
	uint64_t bit[HOST_CPUS_MAX / 64];
};

struct host_link {
	struct nic_link nic;
	char driver[NIC_WORD_BYTES]; /* "the driver" where it has no name */
	bool has_address;            /* this host uses it */
	bool chosen;                 /* by -i */
};

struct host {
	const char *root; /* "", or a folder that stands for / */
	struct nic *nic;  /* NULL: there is no netlink */
	uint32_t link_count;
	struct host_link link[HOST_LINKS_MAX]; /* those to look at */

	/* what the user is going to ask for */
	uint32_t workers; /* 0: not said */
	struct cpus cores;
	bool has_cores;

	/* 0, or -errno of trying */
	int af_xdp; /* a socket of that family */
	int pmu;    /* a counter of cycles */

	bool is_root;
	uint64_t capabilities;  /* effective: bit per CAP_ */
	uint64_t memlock_bytes; /* UINT64_MAX: no limit */
};

/* host_open - of this machine, without links. Memory: `nic` is used until host_close(). */
void host_open(struct host *ret, struct nic *nic);

/* host_add_links - those that are up, and not lo. Returns: 0; -errno. */
int host_add_links(struct host *h);

/* host_add_link - by name. Returns: 0; -ENODEV; -ENOSPC; -errno. */
int host_add_link(struct host *h, const char *name);

/* ---- files ---- */

/* host_path - below the root. */
void host_path(const struct host *h, char ret[HOST_PATH_BYTES], const char *path);

/* host_read - a file's text without the newline at its end; what is longer is cut.
 * Returns: 0; -errno. */
int host_read(const struct host *h, const char *path, char *ret, size_t bytes);

/* host_write - Returns: 0; -errno: of opening or of the kernel's refusal. */
int host_write(const struct host *h, const char *path, const char *text);

/* host_read_number - Returns: 0; -EINVAL: there is no number in it; -errno. */
int host_read_number(const struct host *h, const char *path, int64_t *ret);

bool host_exists(const struct host *h, const char *path);

/* host_each - every entry of a folder, in no order; `each` returns false to end.
 * Returns: 0; -errno. */
int host_each(const struct host *h, const char *folder,
	      bool (*each)(const char *entry, void *context), void *context);

/* ---- processors ---- */

/* cpus_parse - "0-3,8". Returns: 0; -EINVAL. */
int cpus_parse(const char *text, struct cpus *ret);

/* cpus_format - the same the other way; "" for none. */
void cpus_format(const struct cpus *c, char *ret, size_t bytes);
bool cpus_has(const struct cpus *c, uint32_t cpu);
void cpus_add(struct cpus *c, uint32_t cpu);
uint32_t cpus_count(const struct cpus *c);

/* cpus_within - is every one of `a` in `b`? */
bool cpus_within(const struct cpus *a, const struct cpus *b);

#endif
