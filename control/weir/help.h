/* help - the texts of `weir read --help` and `weir capture --help`, made from the table of options.
 */
#ifndef CONTROL_WEIR_HELP_H
#define CONTROL_WEIR_HELP_H

#include <stdio.h>

/* Nothing in the help is wider. */
enum { HELP_COLUMNS = 100 };

/* help_of - of `read` or `capture`. */
void help_of(const char *command, FILE *to);

/* help_wrapped - words broken into lines that begin at column `indent`; the first goes on at
 * `column`. */
void help_wrapped(const char *text, int column, int indent, FILE *to);

#endif
