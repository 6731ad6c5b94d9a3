/* settings_parse - the command line and the INI file, made into one struct settings. */
#include "control/weir/settings_parse.h"

#include <errno.h>
#include <ini.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/weir/command.h"
#include "control/weir/ini_text.h"
#include "control/weir/option.h"
#include "control/weir/suggest.h"
#include "dataplane/rx/filter.h"

/* Longest line of an INI file: a filter of which every byte is escaped, and a name. */
enum { LINE_BYTES = 2 * SETTINGS_FILTER_BYTES + 256, OPTIONS_MAX = 128 };

struct given {
	const struct option *option;
	const char *value;
};

struct parse {
	struct settings *settings;
	struct settings_error *err;
	bool given[OPTIONS_MAX];   /* by the INI file or the command line */
	bool cleared[OPTIONS_MAX]; /* has begun to gather in the source being read */

	enum settings_wish wish;
	const char *config;
	struct given *from_command_line;
	uint32_t from_command_line_count;
	const char **operands;
	uint32_t operand_count;

	const char *ini_name;
	FILE *ini_file;
	uint32_t ini_line;
	char ini_value[LINE_BYTES];
};

__attribute__((format(printf, 3, 4))) static int refuse(struct parse *p, int status,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(p->err->text, sizeof(p->err->text), format, args);
	va_end(args);
	p->err->status = status;
	return -EINVAL;
}

static bool was_given(const struct parse *p, const char *name)
{
	return p->given[option_find(name) - options];
}

/* take - one value for one option. Returns: 0, or -EINVAL with its reason in `why`. */
static int take(struct parse *p, const struct option *o, const char *value,
		struct option_error *why)
{
	/* -i is short for --rx: the two gather into one list. */
	bool is_short = strcmp(o->name, "interface") == 0;
	size_t index = (size_t)((is_short ? option_find("rx") : o) - options);

	if (o->clear != NULL && !p->cleared[index])
		o->clear(p->settings);
	p->cleared[index] = true;
	p->given[index] = true;
	return o->read(o, value, p->settings, why);
}

static const struct option *find_option(const struct parse *p, const char *name)
{
	const struct option *o = option_find(name);

	return o != NULL && option_serves(o, p->settings->command) ? o : NULL;
}

static bool is_command(const char *name)
{
	return strcmp(name, "read") == 0 || strcmp(name, "capture") == 0;
}

static bool is_capture(const struct parse *p)
{
	return strcmp(p->settings->command, "capture") == 0;
}

static void begin_source(struct parse *p)
{
	memset(p->cleared, 0, sizeof(p->cleared));
}

/* ---- the INI file ---- */

/* read_line - fgets() that counts, for libinih: it tells the handler nothing about lines. */
static char *read_line(char *line, int room, void *context)
{
	struct parse *p = context;
	size_t bytes;

	if (p->err->status != 0 || fgets(line, room, p->ini_file) == NULL)
		return NULL;
	p->ini_line++;
	bytes = strlen(line);
	if (bytes + 1 == (size_t)room && line[bytes - 1] != '\n') {
		(void)refuse(p, STATUS_USAGE, "%s:%u: the line is longer than %d bytes",
			     p->ini_name, p->ini_line, room - 2);
		return NULL;
	}
	return line;
}

static int refuse_key(struct parse *p, const char *key)
{
	const char *meant = option_suggest(key, p->settings->command);

	if (meant == NULL)
		return refuse(p, STATUS_USAGE, "%s:%u: no such setting: %.80s", p->ini_name,
			      p->ini_line, key);
	return refuse(p, STATUS_USAGE, "%s:%u: no such setting: %.80s\n  did you mean %s?",
		      p->ini_name, p->ini_line, key, meant);
}

static int take_line(struct parse *p, const char *section, const char *key, const char *text)
{
	const struct option *o = find_option(p, key);
	char *value = p->ini_value;
	struct option_error why;

	if (section[0] != '\0' && !is_command(section))
		return refuse(
			p, STATUS_USAGE,
			"%s:%u: no such section: [%.80s]\n  settings stand in [read] or [capture]",
			p->ini_name, p->ini_line, section);
	if (section[0] != '\0' && strcmp(section, p->settings->command) != 0)
		return 0; /* the other command's */
	if (o == NULL)
		return refuse_key(p, key);
	(void)snprintf(value, sizeof(p->ini_value), "%s", text);
	if (ini_text_read(value) < 0)
		return refuse(p, STATUS_USAGE,
			      "%s:%u: %s: the quotation does not end where the value ends",
			      p->ini_name, p->ini_line, key);
	if (take(p, o, value, &why) < 0)
		return refuse(p, STATUS_USAGE, "%s:%u: %s = %.80s: %s", p->ini_name, p->ini_line,
			      key, value, why.text);
	return 0;
}

static int on_line(void *context, const char *section, const char *key, const char *value)
{
	return take_line(context, section, key, value) == 0;
}

static int read_ini(struct parse *p)
{
	struct stat s;
	int line;

	p->ini_name = p->config;
	p->ini_file = fopen(p->config, "re");
	if (p->ini_file == NULL || fstat(fileno(p->ini_file), &s) < 0)
		return refuse(p, STATUS_USAGE, "--config %.200s: %s", p->config, strerror(errno));
	if (S_ISDIR(s.st_mode)) {
		fclose(p->ini_file);
		return refuse(p, STATUS_USAGE, "--config %.200s: is a folder", p->config);
	}
	/* libinih would cut a path at " ;" and glue lines that happen to be indented. */
	ini_allow_inline_comments = false;
	ini_allow_multiline = false;
	ini_stop_on_first_error = true;
	ini_use_stack = false;
	ini_max_line = ini_initial_alloc = LINE_BYTES;
	begin_source(p);
	line = ini_parse_stream(read_line, p, on_line, p);
	fclose(p->ini_file);
	if (p->err->status != 0)
		return -EINVAL;
	if (line != 0)
		return refuse(p, STATUS_USAGE, "%s:%u: neither [SECTION] nor NAME = VALUE",
			      p->ini_name, p->ini_line);
	return 0;
}

/* ---- the command line ---- */

/* Options that are no settings, and so in no INI file. */
static const char config_name[] = "config", help_name[] = "help", print_name[] = "print-settings",
		  list_name[] = "list-rx", only_name[] = "only";

static int refuse_option(struct parse *p, const char *name)
{
	struct suggest s;

	suggest_begin(&s, name);
	for (uint32_t i = 0; i < option_count; i++)
		if (option_serves(&options[i], p->settings->command))
			suggest_offer(&s, options[i].name);
	suggest_offer(&s, config_name);
	suggest_offer(&s, help_name);
	suggest_offer(&s, print_name);
	if (s.best == NULL)
		return refuse(p, STATUS_USAGE, "no such option: --%.80s\n  see `weir %s --help`",
			      name, p->settings->command);
	return refuse(p, STATUS_USAGE, "no such option: --%.80s\n  did you mean --%s?", name,
		      s.best);
}

/* take_wish - Returns: 1, or -EINVAL. */
static int take_wish(struct parse *p, const char *name, bool has_value)
{
	if (has_value)
		return refuse(p, STATUS_USAGE, "--%s takes no value", name);
	if (strcmp(name, help_name) == 0)
		p->wish = SETTINGS_HELP;
	else if (p->wish != SETTINGS_HELP)
		p->wish = strcmp(name, list_name) == 0 ? SETTINGS_LIST_RX : SETTINGS_PRINT;
	return 1;
}

static bool is_wish(const struct parse *p, const char *name)
{
	return strcmp(name, help_name) == 0 || strcmp(name, print_name) == 0 ||
	       (is_capture(p) && strcmp(name, list_name) == 0);
}

/* take_only - `--only dataplane|control`: which daemon weir is to become. */
static int take_only(struct parse *p, const char *value)
{
	if (value != NULL && strcmp(value, "dataplane") == 0)
		p->settings->service = SERVICE_DATAPLANE;
	else if (value != NULL && strcmp(value, "control") == 0)
		p->settings->service = SERVICE_CONTROL;
	else
		return refuse(p, STATUS_USAGE, "--only needs a value: dataplane or control");
	return 0;
}

/* scan_option - `arg` begins with "--"; *next is the argument behind it, or NULL.
 * Returns: how many arguments it took, or -EINVAL. */
static int scan_option(struct parse *p, const char *arg, const char *next)
{
	const char *equals = strchr(arg, '='), *value = equals != NULL ? equals + 1 : next;
	size_t name_bytes = strcspn(arg + 2, "=");
	char name[64];
	const struct option *o;

	if (name_bytes >= sizeof(name))
		return refuse_option(p, arg + 2);
	memcpy(name, arg + 2, name_bytes);
	name[name_bytes] = '\0';
	o = find_option(p, name);
	if (is_wish(p, name))
		return take_wish(p, name, equals != NULL);
	if (is_capture(p) && strcmp(name, only_name) == 0)
		return take_only(p, value) < 0 ? -EINVAL : equals != NULL ? 1 : 2;
	if (o == NULL && strcmp(name, config_name) != 0)
		return refuse_option(p, name);
	if (o != NULL && o->is_switch && equals == NULL) {
		p->from_command_line[p->from_command_line_count++] = (struct given){ o, "on" };
		return 1;
	}
	if (value == NULL)
		return refuse(p, STATUS_USAGE, "--%s needs a value: %s", name,
			      o != NULL ? o->argument : "FILE");
	if (o != NULL)
		p->from_command_line[p->from_command_line_count++] = (struct given){ o, value };
	else
		p->config = value;
	return equals != NULL ? 1 : 2;
}

/* scan - sort the arguments into options and operands; look at no value yet. */
static int scan(struct parse *p, int argc, char *const *argv)
{
	bool only_operands = false;
	int taken;

	for (int i = 0; i < argc; i += taken) {
		const char *arg = is_capture(p) && strcmp(argv[i], "-i") == 0 ? "--interface"
									      : argv[i];

		taken = 1;
		if (only_operands || arg[0] != '-' || strcmp(arg, "-") == 0)
			p->operands[p->operand_count++] = arg;
		else if (strcmp(arg, "--") == 0)
			only_operands = true;
		else if (strcmp(arg, "-h") == 0)
			p->wish = SETTINGS_HELP;
		else if (arg[1] != '-')
			return refuse(p, STATUS_USAGE,
				      "no such option: %.80s\n  options begin with two dashes; a "
				      "filter that"
				      " begins with one goes behind --",
				      arg);
		else
			taken = scan_option(p, arg, i + 1 < argc ? argv[i + 1] : NULL);
		if (taken < 0)
			return taken;
	}
	return 0;
}

static int take_options(struct parse *p)
{
	begin_source(p);
	for (uint32_t i = 0; i < p->from_command_line_count; i++) {
		const struct given *g = &p->from_command_line[i];
		struct option_error why;

		if (take(p, g->option, g->value, &why) < 0)
			return refuse(p, STATUS_USAGE, "--%s %.80s: %s\n  --%s: %s",
				      g->option->name, g->value, why.text, g->option->name,
				      g->option->help);
	}
	return 0;
}

/* ---- operands ---- */

static bool is_input(const char *operand)
{
	struct stat s;

	return strcmp(operand, "-") == 0 || stat(operand, &s) == 0;
}

/* looks_like_path - so that a mistyped file is not taken for a filter and looked up as the name of
 * a host. */
static bool looks_like_path(const char *operand)
{
	static const char *const endings[] = { ".pcap", ".pcapng", ".cap", ".gz", ".zst" };
	size_t bytes = strlen(operand);

	if (strpbrk(operand, " \t\n") != NULL)
		return false;
	if (strchr(operand, '/') != NULL)
		return true;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t n = strlen(endings[i]);

		if (bytes > n && strcmp(operand + bytes - n, endings[i]) == 0)
			return true;
	}
	return false;
}

static int join_filter(struct parse *p, const char *const *words, uint32_t count)
{
	struct settings *s = p->settings;
	size_t used = 0;

	for (uint32_t i = 0; i < count; i++) {
		size_t bytes = strlen(words[i]);

		if (used + bytes + 2 > sizeof(s->filter))
			return refuse(p, STATUS_USAGE,
				      "the filter expression is longer than %d bytes",
				      SETTINGS_FILTER_BYTES - 1);
		if (i > 0)
			s->filter[used++] = ' ';
		memcpy(s->filter + used, words[i], bytes + 1);
		used += bytes;
	}
	return 0;
}

static int take_capture_filter(struct parse *p, const char *const *words, uint32_t count)
{
	if (is_input(words[0]))
		return refuse(p, STATUS_USAGE, "%.200s: a file is read with `weir read`", words[0]);
	for (uint32_t i = 0; i < p->from_command_line_count; i++)
		if (strcmp(p->from_command_line[i].option->name, "filter") == 0)
			return refuse(p, STATUS_USAGE, "%.80s: --filter is there already",
				      words[0]);
	if (p->settings->rx_count == 0 && if_nametoindex(words[0]) != 0)
		return refuse(p, STATUS_USAGE, "%.80s: is an interface\n  did you mean -i %.80s?",
			      words[0], words[0]);
	return join_filter(p, words, count); /* whether it is one is checked with the rest */
}

static int take_filter(struct parse *p, const char *const *words, uint32_t count)
{
	struct rx_error why;

	if (is_capture(p))
		return take_capture_filter(p, words, count);
	if (looks_like_path(words[0]))
		return refuse(p, STATUS_SOURCE, "%.200s: no such file", words[0]);
	for (uint32_t i = 0; i < p->from_command_line_count; i++)
		if (strcmp(p->from_command_line[i].option->name, "filter") == 0)
			return refuse(p, STATUS_USAGE,
				      "%.80s: no such file, and --filter is there already",
				      words[0]);
	if (join_filter(p, words, count) < 0)
		return -EINVAL;
	if (filter_check(p->settings->filter, &why) < 0)
		return refuse(p, STATUS_USAGE, "%.200s: no such file, and no filter expression: %s",
			      p->settings->filter, why.text);
	return 0;
}

static int take_operands(struct parse *p)
{
	const struct option *input = option_find("input");
	struct option_error why;
	uint32_t i = 0;

	for (; !is_capture(p) && i < p->operand_count && is_input(p->operands[i]); i++)
		if (take(p, input, p->operands[i], &why) < 0)
			return refuse(p, STATUS_USAGE, "%.80s: %s", p->operands[i], why.text);
	if (i == p->operand_count)
		return 0;
	return take_filter(p, p->operands + i, p->operand_count - i);
}

/* ---- what no option can judge alone ---- */

static void fill_dependent_defaults(struct parse *p)
{
	struct settings *s = p->settings;

	if (strcmp(s->format, "streams") == 0 && !was_given(p, "history"))
		s->history_bytes = STREAMS_HISTORY_BYTES;
	/* Half open at most a quarter, as the two defaults have it. */
	if (was_given(p, "flows") && !was_given(p, "half-open"))
		s->half_open = s->flows / 4;
	if (s->core_count > 0 && (s->workers == 0 || !was_given(p, "workers")))
		s->workers = s->core_count;
	if (s->held_worker_bytes < s->held_bytes && !was_given(p, "held-worker"))
		s->held_worker_bytes = s->held_bytes;
	if (s->held_worker_bytes < s->held_bytes && !was_given(p, "held"))
		s->held_bytes = s->held_worker_bytes;
}

static int check_relations(struct parse *p)
{
	const struct settings *s = p->settings;
	struct rx_error why;

	if (s->half_open > s->flows)
		return refuse(p, STATUS_USAGE, "--half-open %llu is more than --flows %llu",
			      (unsigned long long)s->half_open, (unsigned long long)s->flows);
	if (s->core_count > 0 && s->core_count != s->workers)
		return refuse(
			p, STATUS_USAGE,
			"--workers %llu, but --cores names %u processors\n  one worker is pinned "
			"to each: leave out --workers",
			(unsigned long long)s->workers, s->core_count);
	if (s->held_bytes > s->held_worker_bytes)
		return refuse(p, STATUS_USAGE, "--held is more than --held-worker");
	if ((s->rotate_bytes != 0 || s->rotate_ns != 0) && strcmp(s->output, "-") == 0)
		return refuse(p, STATUS_USAGE,
			      "standard output cannot be rotated\n  name a file with --output");
	if (s->filter[0] != '\0' && (is_capture(p) ? filter_check_live(s->filter, &why)
						   : filter_check(s->filter, &why)) < 0)
		return refuse(p, STATUS_USAGE, "--filter %.200s: no filter expression: %s",
			      s->filter, why.text);
	if (s->rx_count > 0 && s->input_count > 0)
		return refuse(p, STATUS_USAGE, "--rx %.80s reads no files, but %.80s is given",
			      s->rx[0], s->input);
	return 0;
}

/* check_not_overwritten - opening an output empties it: it must not be what is read. */
static int check_not_overwritten(struct parse *p, const char *name, const char *output)
{
	const char *at = p->settings->input;
	struct stat in, out;

	if (strcmp(output, "-") == 0 || stat(output, &out) < 0 || !S_ISREG(out.st_mode))
		return 0;
	for (uint32_t i = 0; i < p->settings->input_count; i++, at += strlen(at) + 1)
		if (stat(at, &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
			return refuse(p, STATUS_USAGE, "--%s %.200s would overwrite an input", name,
				      output);
	return 0;
}

/* An interface that is named twice would give every packet twice. */
static int check_interfaces_differ(struct parse *p)
{
	const struct settings *s = p->settings;

	for (uint32_t i = 1; i < s->rx_count; i++) {
		const char *name = strchr(s->rx[i], ':');
		size_t bytes = name != NULL ? strcspn(name, ",") : 0;

		for (uint32_t k = 0; k < i && bytes > 1; k++) {
			const char *other = strchr(s->rx[k], ':');

			if (other != NULL && strcspn(other, ",") == bytes &&
			    memcmp(name, other, bytes) == 0)
				return refuse(p, STATUS_USAGE, "--rx %.80s: %.*s is named twice",
					      s->rx[i], (int)bytes - 1, name + 1);
		}
	}
	return 0;
}

static int check_sources(struct parse *p)
{
	const char *at = p->settings->input;

	if (is_capture(p) && check_interfaces_differ(p) < 0)
		return -EINVAL;

	if (is_capture(p) && p->settings->rx_count == 0 && p->settings->service != SERVICE_CONTROL)
		return refuse(p, STATUS_USAGE,
			      "nothing to capture from: -i IFACE, or --rx NAME:ARG\n"
			      "  see `weir capture --list-rx`");
	if (!is_capture(p) && p->settings->rx_count == 0 && p->settings->input_count == 0)
		return refuse(p, STATUS_USAGE, "no FILE to read\n  see `weir read --help`");
	for (uint32_t i = 0; i < p->settings->input_count; i++, at += strlen(at) + 1)
		if (!is_input(at))
			return refuse(p, STATUS_SOURCE, "%.200s: no such file", at);
	if (check_not_overwritten(p, "output", p->settings->output) < 0)
		return -EINVAL;
	if (strcmp(p->settings->ledger, "-") == 0)
		return refuse(p, STATUS_USAGE,
			      "--ledger needs a file; the table is on standard error");
	if (p->settings->ledger[0] != 0 && strcmp(p->settings->ledger, p->settings->output) == 0)
		return refuse(p, STATUS_USAGE, "--ledger %.200s would overwrite the output",
			      p->settings->ledger);
	return check_not_overwritten(p, "ledger", p->settings->ledger);
}

/* ---- all of it ---- */

static int parse_all(struct parse *p, int argc, char *const *argv)
{
	int e = scan(p, argc, argv);

	if (e < 0 || p->wish == SETTINGS_HELP)
		return e;
	if (p->config != NULL && p->config[0] != '\0')
		e = read_ini(p);
	if (e == 0)
		e = take_options(p);
	if (e == 0)
		e = take_operands(p);
	if (e < 0)
		return e;
	fill_dependent_defaults(p);
	e = check_relations(p);
	if (e == 0 && p->wish == SETTINGS_RUN)
		e = check_sources(p);
	return e;
}

int settings_parse(const char *command, int argc, char *const *argv, const char *config,
		   struct settings *ret, enum settings_wish *ret_wish, struct settings_error *err)
{
	struct parse p = { .settings = ret, .err = err, .config = config };
	size_t room = (size_t)argc + 1;
	int e = -ENOMEM;

	err->status = 0;
	settings_defaults(ret);
	(void)snprintf(ret->command, sizeof(ret->command), "%s", command);
	ret->until = STAGE_normal;
	strcpy(ret->output, "-");
	strcpy(ret->format, "jsonl");
	p.from_command_line = calloc(room, sizeof(*p.from_command_line));
	p.operands = calloc(room, sizeof(*p.operands));
	if (p.from_command_line == NULL || p.operands == NULL)
		(void)refuse(&p, STATUS_USAGE, "no memory for %d arguments", argc);
	else
		e = parse_all(&p, argc, argv);
	free(p.from_command_line);
	free(p.operands);
	if (e < 0)
		return -EINVAL;
	*ret_wish = p.wish;
	return 0;
}

void settings_print(const struct settings *s, FILE *to)
{
	fprintf(to, "[%s]\n", s->command);
	for (uint32_t i = 0; i < option_count; i++) {
		if (!option_serves(&options[i], s->command) || options[i].write == NULL)
			continue;
		fprintf(to, "\n# %s\n", options[i].help);
		options[i].write(&options[i], s, to);
	}
}
