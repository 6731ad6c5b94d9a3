/* main - the command `weir`: a table of sub-commands. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/bench/bench.h"
#include "control/weir/command.h"
#include "control/weir/suggest.h"

static const struct command commands[] = {
	{ "read", "captures in, matched request/response pairs out", command_read },
	{ "capture", "interfaces in, matched request/response pairs out", command_capture },
	{ "check", "look at this machine before blaming the tool; mend it, and put it back",
	  command_check },
	{ "bench", "what capturing costs here, stage by stage and against others; whether promises hold",
	  command_bench },
	{ "ctl", "ask a capture that is running, or end it", command_ctl },
	{ "dissectors", "the protocols that weir reads, and their fields", command_dissectors },
	{ "lab", "a client, a server and a tap on this machine, to try things on", command_lab },
	{ "plot", "stats logs, weir's and the Go tapper's, as one picture", bench_plot },
	{ "send", "frames onto an interface, for tests and benchmarks", command_send },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_overview(void)
{
	fputs("weir - puts TCP back together, matches every request with its response, and "
	      "accounts for\n"
	      "every packet, byte and message it saw\n"
	      "\n"
	      "usage: weir COMMAND ...\n"
	      "\n",
	      stdout);
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  weir %-13s %s\n", commands[i].name, commands[i].help);
	fputs("  weir help COMMAND  what a command takes\n"
	      "  weir --version     which weir this is\n"
	      "\n"
	      "Example\n"
	      "  weir read capture.pcapng tcp port 80 --output pairs.jsonl\n",
	      stdout);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int refuse_command(const char *name)
{
	struct suggest s;

	suggest_begin(&s, name);
	for (size_t i = 0; i < COMMANDS; i++)
		suggest_offer(&s, commands[i].name);
	fprintf(stderr, "weir: no such command: %.80s\n", name);
	if (s.best != NULL)
		fprintf(stderr, "  did you mean weir %s?\n", s.best);
	else
		fputs("  see `weir help`\n", stderr);
	return STATUS_USAGE;
}

static int help_command(const char *name)
{
	char *help[] = { (char[]){ "--help" }, NULL };
	const struct command *c = find_command(name);

	return c != NULL ? c->run(1, help) : refuse_command(name);
}

/* Without this the next file opened would become standard output if that was closed. What is
 * missing is opened for the wrong direction, so that using it still fails. */
static bool fill_standard_descriptors(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			return false;
	return true;
}

static bool is(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

static int dispatch(int argc, char **argv)
{
	const struct command *c;

	if (argc > 2 && is(argv[1], "help", "--help"))
		return help_command(argv[2]);
	if (argc < 2 || is(argv[1], "help", "--help") || is(argv[1], "-h", "-?")) {
		print_overview();
		return STATUS_DONE;
	}
	if (is(argv[1], "--version", "version")) {
		puts("weir " WEIR_VERSION);
		return STATUS_DONE;
	}
	c = find_command(argv[1]);
	return c != NULL ? c->run(argc - 2, argv + 2) : refuse_command(argv[1]);
}

int main(int argc, char **argv)
{
	int status;

	if (!fill_standard_descriptors())
		return STATUS_USAGE;
	status = dispatch(argc, argv);
	if (fflush(stdout) != 0) {
		perror("weir: standard output");
		return status != STATUS_DONE ? status : STATUS_OUTPUT;
	}
	return status;
}
