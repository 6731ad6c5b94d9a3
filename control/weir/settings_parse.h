/* settings_parse - the command line and the INI file, made into one struct settings.
 *
 *     defaults  <-  INI file (--config, $WEIR_CONFIG)  <-  command line
 *
 * What is further right wins. An option that gathers values (--rx,
 * --ignore-ports, the files) starts anew in each of the three.
 *
 * An INI file may serve both commands: settings stand in [read] or in [capture], and before the
 * first section are those of both.
 *
 * Operands of capture: the filter expression. Of read: those that exist as a file or folder, or are
 * "-", are inputs. From the first one that is neither, all that remain are the filter expression,
 * joined by blanks. Options may stand anywhere between them; after `--`
 * everything is an operand.
 */
#ifndef CONTROL_WEIR_SETTINGS_PARSE_H
#define CONTROL_WEIR_SETTINGS_PARSE_H

#include <stdio.h>

#include "dataplane/shm/settings.h"

/* Delivered bytes kept per direction for --format streams, whose conflict counts would be
 * nearly empty without. */
#define STREAMS_HISTORY_BYTES UINT64_C(262144)

enum settings_wish { SETTINGS_RUN, SETTINGS_HELP, SETTINGS_PRINT, SETTINGS_LIST_RX };

/* For the user: what is wrong; a hint may follow on further lines. And the exit status it means. */
struct settings_error {
	char text[2048];
	int status;
};

/* settings_parse - `command` is "read" or "capture"; `argv` without the program and the
 * sub-command; `config` is $WEIR_CONFIG or NULL.
 *
 * Memory:  *ret is about 4 MiB, so the caller allocates it; unspecified on failure.
 * Returns: 0; -EINVAL with err: status 2 for what was typed, 5 for an input that is not there.
 *          With SETTINGS_HELP and SETTINGS_PRINT nothing needs to be there.
 */
int settings_parse(const char *command, int argc, char *const *argv, const char *config,
		   struct settings *ret, enum settings_wish *ret_wish, struct settings_error *err);

/* settings_print - everything, as an INI file that settings_parse() reads back as the same
 * settings. */
void settings_print(const struct settings *s, FILE *to);

#endif
