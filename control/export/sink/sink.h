/* sink - where text goes.
 *
 *     open -> { write }* -> close
 *
 * A sink takes whole lines and knows nothing of what they say. One file per
 * sink defines a `const struct sink_backend`; which format a line has is
 * another list (export/text).
 *
 * Writing has happened when write() returns: only then does control give the
 * records back to the dataplane. A sink keeps nothing to itself.
 *
 * Threads: one.
 */
#ifndef CONTROL_EXPORT_SINK_SINK_H
#define CONTROL_EXPORT_SINK_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why an output failed: the reasons of `failed` in the exporter's balance. */
#define SINK_FAILURE_LIST(X)                                                                       \
	X(no_space, "the disk or the quota is full")                                               \
	X(closed_pipe, "whoever read the output closed it")                                        \
	X(permission, "writing there is not allowed")                                              \
	X(io, "the system reported another error")
#define SINK_FAILURE_ENUM(name, meaning) SINK_FAILED_##name,
enum sink_failure { SINK_FAILURE_LIST(SINK_FAILURE_ENUM) SINK_FAILURE_COUNT };

/* Text for the user: the cause and the remedy, no newline. */
struct sink_error {
	enum sink_failure failure;
	char text[512];
};

struct sink_how {
	const char *target;
	bool restarted; /* a control of the same run was killed: go on behind what it wrote */

	/* The line that each file begins with, and how many of its bytes only this run can have
	 * written: by them a restarted control knows its own file. 0: files begin with nothing. */
	const char *head;
	size_t head_bytes, mark_bytes;

	uint64_t rotate_bytes, rotate_ns; /* 0: never */
};

struct sink; /* a sink's own */

struct sink_backend {
	const char *name;

	/* Returns: 0 and *ret; -errno and err filled. The head is written. */
	int (*open)(const struct sink_how *how, struct sink **ret, struct sink_error *err);

	/* write - whole lines. Returns: 0; -errno and err filled. *ret_lines: how many lines are
	 * written whole, all of them on success. After a failure only close() may follow. */
	int (*write)(struct sink *s, const char *lines, size_t bytes, uint64_t *ret_lines,
		     struct sink_error *err);

	/* Returns: 0; -errno and err filled. The sink is gone either way. */
	int (*close)(struct sink *s, struct sink_error *err);
};

extern const struct sink_backend sink_file;

#endif
