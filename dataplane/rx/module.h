/* module - a back end in a file of its own, weir-rx-NAME.so, loaded when somebody names it: what it
 * rests on takes long to start, and whoever does not use it does not pay for it.
 *
 *     <folder of weir-dataplane>/weir-rx-NAME.so       installed, or an unpacked archive
 *     <folder of weir-dataplane>/rx/weir-rx-NAME.so    the build tree
 *
 * Nowhere else: it was built together with that program, which `weir` has found already, and no
 * variable or search path names another. It must be as safe as the program is: of root or of the
 * program's owner, and not for everybody to write.
 *
 * The module takes the rest of weir from the program: module_exports.txt lists what.
 *
 * Threads: main, before the sandbox. It stays until the process ends.
 */
#ifndef DATAPLANE_RX_MODULE_H
#define DATAPLANE_RX_MODULE_H

#include <limits.h>

#include "dataplane/rx/rx.h"
#include "dataplane/shm/settings.h"

/* What both sides must have been built with. */
enum { MODULE_LAYOUT_WORDS = 6 };
#define MODULE_LAYOUT                                                                              \
	{                                                                                          \
		SETTINGS_MAGIC, sizeof(struct settings), sizeof(struct rx_backend),                \
			sizeof(struct rx_open), sizeof(struct rx_counters), sizeof(struct packet)  \
	}

/* MODULE_IS - once, in the module's file, beside its `rx_<name>`. */
#define MODULE_EXPORT __attribute__((visibility("default")))
#define MODULE_IS(name)                                                                            \
	extern const uint64_t rx_##name##_layout[MODULE_LAYOUT_WORDS];                             \
	MODULE_EXPORT const uint64_t rx_##name##_layout[MODULE_LAYOUT_WORDS] = MODULE_LAYOUT

struct module_place {
	char folder[PATH_MAX]; /* of the program */
	unsigned owner;        /* the program's */
};

/* module_place_here - of this program. Returns: 0, -errno. */
int module_place_here(struct module_place *ret);

/* module_load - `needs`: what must be there when it is built, for people. Returns: 0 and *ret;
 * -ENOENT: it is not there; -EPERM: others could have written it; -ENOEXEC: it cannot be loaded, or
 * is of another build; with err. */
int module_load(const struct module_place *place, const char *name, const char *needs,
		const struct rx_backend **ret, struct rx_error *err);

#endif
