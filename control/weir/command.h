/* command - what a sub-command of weir provides.
 *
 * Adding one: a file with its function, a line below, a row in main.c.
 */
#ifndef CONTROL_WEIR_COMMAND_H
#define CONTROL_WEIR_COMMAND_H

/* The exit statuses, for every sub-command and both daemons. */
enum status {
	STATUS_DONE = 0,
	STATUS_NO = 1,       /* the answer is no */
	STATUS_USAGE = 2,    /* usage or settings */
	STATUS_LEDGER = 3,   /* the ledger does not close */
	STATUS_DAMAGED = 4,  /* input damaged, everything before it processed */
	STATUS_SOURCE = 5,   /* a source cannot be opened or went away */
	STATUS_OUTPUT = 6,   /* an output failed */
	STATUS_SIGNAL = 128, /* plus its number: a second signal ended weir at once */
};

struct command {
	const char *name;
	const char *help; /* one line */

	/* run - `argv` without the program's name and the command's. `--help` writes help on
	 * standard output. Returns: the exit status. */
	int (*run)(int argc, char **argv);
};

int command_read(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_capture(int argc, char **argv);
int command_check(int argc, char **argv);
int command_ctl(int argc, char **argv);
int command_dissectors(int argc, char **argv);
int command_lab(int argc, char **argv);
int command_send(int argc, char **argv);

#endif
