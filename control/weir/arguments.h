/* arguments - options of a sub-command as a table: --name VALUE, --name=VALUE, -n VALUE.
 *
 * For commands whose options are not settings of a capture (those are in option.h). One table
 * serves parsing, --help and the suggestions after a typing error.
 */
#ifndef CONTROL_WEIR_ARGUMENTS_H
#define CONTROL_WEIR_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct argument {
	const char *name;  /* without the dashes */
	char letter;       /* 0: has none */
	const char *value; /* as --help calls it; NULL: a switch, which takes none; in brackets:
			      the name alone will do too, or --name=VALUE */
	const char *help;  /* one line; the preset belongs into it */

	/* take - `value` is NULL where there is none. Returns: 0; -EINVAL: not such a value, and
	 * `wanted` is told. */
	int (*take)(const char *value, void *user);
	const char *wanted; /* "a time such as 2s" */
};

struct arguments {
	const char *command; /* "weir bench modes", for what is told */
	const char *usage;   /* "weir bench modes [OPTION...]" */
	const char *about;   /* what it does, lines that end with a newline */
	const char *example; /* a line, or lines; NULL: none */
	const char *after;   /* behind the options: exit statuses; NULL: none */
	const struct argument *list;
	size_t count;
};

enum arguments_end {
	ARGUMENTS_TAKEN,
	ARGUMENTS_HELP,    /* --help or -h: it has been written on standard output */
	ARGUMENTS_REFUSED, /* one sentence is on standard error */
};

/* arguments_take - all options, wherever they stand; what is none moves to the front of argv.
 * Everything behind `--` is none. ret_operands: how many there are. */
enum arguments_end arguments_take(const struct arguments *a, int argc, char **argv, void *user,
				  int *ret_operands);

/* arguments_behind - how many words stand behind `--`, before arguments_take() moves them: where
 * those alone are operands, the others are mistakes. */
int arguments_behind(int argc, char *const *argv);

/* arguments_help - as --help writes it. */
void arguments_help(const struct arguments *a, FILE *to);

#endif
