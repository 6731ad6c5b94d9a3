/* option - every setting as text: its name, how its value is read, how it is written.
 *
 * One table serves the command line (`--NAME VALUE`), the INI file
 * (`NAME = VALUE`), --print-settings and --help. The numbers come from
 * SETTINGS_LIST; only what is not a number is listed in option.c.
 *
 * A *gathering* option may be given several times and means all of its values
 * together; of any other the last one counts.
 */
#ifndef CONTROL_WEIR_OPTION_H
#define CONTROL_WEIR_OPTION_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "dataplane/shm/settings.h"

/* What is wrong and what would be right, for the user; a hint may follow on lines of its own. */
struct option_error {
	char text[768];
};

struct option {
	const char *name;
	const char *argument; /* what stands for the value in the help: N, SIZE, FILE */
	const char *help;

	/* read - put the value into the settings.
	 * Returns: 0, or -EINVAL with err; the settings may have taken a part of a list then. */
	int (*read)(const struct option *o, const char *text, struct settings *s,
		    struct option_error *err);
	/* write - as INI lines that read() accepts again, one after the other.
	 * NULL: short for another option, which is written. */
	void (*write)(const struct option *o, const struct settings *s, FILE *to);
	/* clear - back to no value at all: an option that gathers. NULL: the last value counts. */
	void (*clear)(struct settings *s);

	bool is_switch;         /* `--quiet` alone means on */
	bool is_hidden;         /* not in the help: operands say the same */
	size_t offset;          /* of the member, where one function serves several options */
	size_t bytes;           /* of a text member */
	enum setting_unit unit; /* numbers only, as the rest */
	uint64_t preset, smallest, largest;
};

extern const struct option options[];
extern const uint32_t option_count;

/* option_find - NULL: no such option. */
const struct option *option_find(const char *name);

/* option_serves - does this sub-command take it? Some make no sense for files, some none for
 * interfaces. */
bool option_serves(const struct option *o, const char *command);

/* option_suggest - the name that was probably meant, of those the sub-command takes, or NULL. */
const char *option_suggest(const char *name, const char *command);

#endif
