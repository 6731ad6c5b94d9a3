/* check - the contract of a check, and the list of them.
 *
 * A check is a function and a row in the list of its file: it looks, and reports one line, or
 * several where there are several things to say. A line has
 *
 *     level    ok     as it should be, or nothing that matters here
 *              info   worth knowing; nothing has to be done
 *              warn   costs packets, speed or exactness; there is a remedy
 *              fail   capture will not work, or not this way; there is a remedy
 *     text     what is, and what follows from it
 *     fix      what somebody would type, where there is anything to type
 *     changes  the same as settings, which --fix makes and --undo puts back. Only where putting
 *              back is exact, and only with warn and fail
 *
 * What cannot be read is said, as info: "not readable: ...". Nothing is guessed.
 */
#ifndef CONTROL_HOST_CHECK_H
#define CONTROL_HOST_CHECK_H

#include "control/host/change.h"

enum level { LEVEL_OK, LEVEL_INFO, LEVEL_WARN, LEVEL_FAIL, LEVELS };

extern const char *const level_names[LEVELS];

enum { CHECK_TEXT_BYTES = 256, CHECK_WANTED_BYTES = 64 };

struct check;

struct wanted {
	uint32_t finding; /* whose it is */
	struct change change;
	char value[CHECK_WANTED_BYTES];
};

struct finding {
	enum level level;
	const struct check *check;
	const struct host_link *link; /* NULL: the machine */
	char text[CHECK_TEXT_BYTES];
	char fix[CHECK_TEXT_BYTES]; /* "": nothing to type */
	uint32_t wants;             /* changes in the report */
};

struct report {
	struct finding *finding;
	struct wanted *wanted;
	uint32_t count, room, wanted_count, wanted_room;
	/* what the next finding is about */
	const struct check *check;
	const struct host_link *link;
};

/* One of the machine has `machine`, one of each interface has `link`. */
struct check {
	const char *name; /* the second column; never changes, scripts look for it */
	const char *what; /* the question, for --list */
	void (*machine)(const struct host *h, struct report *r);
	void (*link)(const struct host *h, const struct host_link *l, struct report *r);
};

/* Lists, in the order of the output for the machine and for each interface; each ends with one
 * without a name. A new check is one row. */
extern const struct check kernel_checks[], rights_checks[], memory_checks[], cpu_checks[],
	program_checks[], link_checks[], path_checks[];

extern const struct check *const check_lists[];
extern const uint32_t check_list_count;

/* check_all - the machine, then interface by interface. Memory: check_free() afterwards. */
void check_all(const struct host *h, struct report *ret);
void check_free(struct report *r);

/* check_worst - of all findings. */
enum level check_worst(const struct report *r);

/* report - a line. Texts are cut, never refused. */
__attribute__((format(printf, 3, 4))) void report(struct report *r, enum level level,
						  const char *format, ...);

/* report_fix - what to type against the last line. */
__attribute__((format(printf, 2, 3))) void report_fix(struct report *r, const char *format, ...);

/* report_change - what --fix does about the last line. */
void report_change(struct report *r, enum change_kind kind, const char *target, const char *name,
		   const char *value);

/* report_unreadable - the line for what could not be asked. */
void report_unreadable(struct report *r, const char *what, int code);

#endif
