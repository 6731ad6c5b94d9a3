/* machine - a folder that stands for / of a machine, with the files that a test puts there. */
#ifndef TESTS_SUPPORT_MACHINE_H
#define TESTS_SUPPORT_MACHINE_H

#include "control/host/check.h"
#include "tests/support/fake_nic.h"

/* machine_make - an empty one, and `h` for it: a fine machine in all that is in no file.
 * machine_remove() removes it with all that is in it. */
void machine_make(struct host *h);
void machine_remove(struct host *h);

/* machine_put - a file, with the folders on its way. */
void machine_put(const struct host *h, const char *path, const char *text);
void machine_take(const struct host *h, const char *path);

/* machine_nics - its interfaces: `h->nic` is set, and those that are up are looked at. */
void machine_nics(struct host *h, struct fake_nics *f, struct nic *nic);

/* machine_look - all that a list of checks reports. Memory: until the next call. */
const struct report *machine_look(const struct host *h, const struct check *list);

/* machine_line - the only line of a check, or the one with `word` in its text; the test fails
 * where there is none. */
const struct finding *machine_line(const struct report *r, const char *check, const char *word);

#endif
