/* help - the texts of `weir read --help` and `weir capture --help`, made from the table of options.
 */
#include "control/weir/help.h"

#include <stdbool.h>
#include <string.h>

#include "control/weir/option.h"
#include "control/weir/units.h"

enum { TEXT_COLUMN = 32, NAMES_MAX = 24 };

/* What belongs together. An option that stands in no group is a limit. */
struct group {
	const char *title;
	const char *names[NAMES_MAX];
};

static const struct group groups[] = {
	{ "Input",
	  { "interface", "filter", "rx", "count", "duration", "promiscuous", "ignore-ports",
	    "snaplen", "checksum" } },
	{ "Output",
	  { "output", "format", "headers", "body-limit", "decode-bodies", "rotate-size", "rotate-interval", "ledger",
	    "stats-interval", "metrics", "quiet" } },
	{ "Pipeline",
	  { "workers", "cores", "poll", "user", "name", "until", "dissectors", "flow-key", "dedup",
	    "shunt", "history", "gap-wait", "half-open-timeout", "closing-timeout", "idle-timeout",
	    "udp-timeout", "request-timeout", "fragment-timeout", "hash-seed" } },
};

static const char introduction_read[] =
	"weir read - packets from files in, matched request/response pairs out\n"
	"\n"
	"usage: weir read FILE... [FILTER] [OPTION...]\n"
	"\n"
	"FILE    pcap or pcapng, plain or as .gz or .zst; - is standard input; a folder stands for "
	"the\n"
	"        captures in it. Several files in order are one capture.\n"
	"FILTER  a libpcap expression: it begins with the first operand that is no file.\n"
	"\n"
	"A SIZE is 512, 64k or 1MiB; a TIME is 20ms, 5s or 2m. --name VALUE and --name=VALUE are "
	"the same.\n";

static const char closing_read[] =
	"\n"
	"Settings\n"
	"  --config FILE                 take options from this INI file first; the command line "
	"wins\n"
	"                                (default $WEIR_CONFIG, if set)\n"
	"  --print-settings              write all settings as such a file, and do nothing else\n"
	"  --help                        this text\n"
	"\n"
	"Examples\n"
	"  weir read capture.pcapng                            pairs as JSON Lines on standard "
	"output\n"
	"  weir read monday.pcap tuesday.pcap.zst tcp port 80  two files as one capture, filtered\n"
	"  tcpdump -w - | weir read - --output pairs.jsonl     from a pipe, into a file\n"
	"  weir read big.pcap --workers 2 --headers none       faster, without header lines\n"
	"  weir read big.pcap --format streams                 every TCP direction, with a hash\n"
	"\n"
	"Exit status\n"
	"  0  done                             4  the input is damaged; all before the damage was "
	"read\n"
	"  2  usage or settings                5  a source cannot be opened or went away\n"
	"  3  the ledger does not close        6  an output failed\n"
	"  130, 143  a second interrupt or termination signal ended weir at once\n";

static const char introduction_capture[] =
	"weir capture - packets from interfaces in, matched request/response pairs out\n"
	"\n"
	"usage: weir capture -i IFACE [FILTER] [OPTION...]\n"
	"       weir capture --list-rx [-i IFACE]\n"
	"\n"
	"FILTER  a libpcap expression; where the back end can, it is run before packets reach "
	"weir.\n"
	"\n"
	"Stop it with Ctrl-C or `weir ctl stop`. A SIZE is 512, 64k or 1MiB; a TIME is 20ms, 5s or "
	"2m.\n";

static const char closing_capture[] =
	"\n"
	"Settings\n"
	"  --list-rx                     what can be captured with here, why not, and with which "
	"options\n"
	"  --only dataplane|control      become one of the two daemons, as a service beside the "
	"other\n"
	"  --config FILE                 take options from this INI file first; the command line "
	"wins\n"
	"                                (default $WEIR_CONFIG, if set)\n"
	"  --print-settings              write all settings as such a file, and do nothing else\n"
	"  --help                        this text\n"
	"\n"
	"Examples\n"
	"  weir capture -i eth0 --output pairs.jsonl           by the best means that works\n"
	"  weir capture -i tap0 tcp port 80 --duration 60s     filtered, for a minute\n"
	"  weir capture --rx af_xdp:eth1,mode=generic          by the means that you choose\n"
	"  weir capture -i tap0 -i tap1 --metrics 9100         both directions of a TAP, with "
	"metrics\n"
	"\n"
	"Exit status\n"
	"  0  done                             5  a source cannot be opened or went away\n"
	"  2  usage or settings                6  an output failed\n"
	"  3  the ledger does not close        130, 143  a second signal ended weir at once\n";

static void pad(int columns, FILE *to)
{
	for (; columns > 0; columns--)
		fputc(' ', to);
}

void help_wrapped(const char *text, int column, int indent, FILE *to)
{
	bool begins = true; /* at the beginning of a line: no blank before the word */

	pad(indent - column, to);
	if (column < indent)
		column = indent;
	for (int bytes; *text != '\0'; text += bytes, text += strspn(text, " ")) {
		bytes = (int)strcspn(text, " ");
		if (!begins && column + 1 + bytes > HELP_COLUMNS) {
			fputc('\n', to);
			pad(indent, to);
			column = indent;
			begins = true;
		}
		column += fprintf(to, "%s%.*s", begins ? "" : " ", bytes, text);
		begins = false;
	}
	fputc('\n', to);
}

static void print_option(const struct option *o, FILE *to)
{
	char text[512], preset[UNITS_TEXT_BYTES];
	int column;

	if (o->is_switch)
		column = fprintf(to, "  --%s ", o->name);
	else
		column = fprintf(to, "  --%s %s ", o->name, o->argument);
	if (o->largest != 0) {
		units_format(o->unit, o->preset, preset);
		(void)snprintf(text, sizeof(text), "%s (default %s)", o->help, preset);
	} else {
		(void)snprintf(text, sizeof(text), "%s", o->help);
	}
	help_wrapped(text, column, TEXT_COLUMN, to);
}

static bool is_grouped(const char *name)
{
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		for (size_t i = 0; i < NAMES_MAX && groups[g].names[i] != NULL; i++)
			if (strcmp(groups[g].names[i], name) == 0)
				return true;
	return false;
}

void help_of(const char *command, FILE *to)
{
	bool read = strcmp(command, "read") == 0;

	fputs(read ? introduction_read : introduction_capture, to);
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		fprintf(to, "\n%s\n", groups[g].title);
		for (size_t i = 0; i < NAMES_MAX && groups[g].names[i] != NULL; i++)
			if (option_serves(option_find(groups[g].names[i]), command))
				print_option(option_find(groups[g].names[i]), to);
	}
	fputs("\nLimits; what is beyond them is counted in the ledger, with the reason\n", to);
	for (uint32_t i = 0; i < option_count; i++)
		if (!options[i].is_hidden && !is_grouped(options[i].name) &&
		    option_serves(&options[i], command))
			print_option(&options[i], to);
	fputs(read ? closing_read : closing_capture, to);
}
