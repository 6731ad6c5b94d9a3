/* option - the table of settings, and how each kind of value is read and written. */
#include "control/weir/option.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "control/host/undo.h"
#include "control/weir/address.h"
#include "control/weir/ini_text.h"
#include "control/weir/suggest.h"
#include "control/weir/units.h"
#include "dataplane/base/cpu.h"
#include "dissectors/registry.h"

/* Lists are broken over several lines of the INI file after so many characters. */
enum { LINE_BYTES = 80, WORD_BYTES = 256, PORTS = 65536 };

__attribute__((format(printf, 2, 3))) static int refuse(struct option_error *err,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -EINVAL;
}

/* refuse_word - `word` is none of the words offered to `s`. */
static int refuse_word(struct option_error *err, const struct suggest *s, const char *what,
		       const char *known)
{
	if (s->best != NULL)
		return refuse(err, "no %s; did you mean \"%s\"?", what, s->best);
	return refuse(err, "no %s; there are: %s", what, known);
}

/* ---- numbers ---- */

static uint64_t *number_of(const struct option *o, struct settings *s)
{
	return (uint64_t *)((char *)s + o->offset);
}

static int refuse_range(const struct option *o, struct option_error *err)
{
	char smallest[UNITS_TEXT_BYTES], largest[UNITS_TEXT_BYTES];

	units_format(o->unit, o->smallest, smallest);
	units_format(o->unit, o->largest, largest);
	return refuse(err, "must be %s to %s", smallest, largest);
}

static int read_number(const struct option *o, const char *text, struct settings *s,
		       struct option_error *err)
{
	uint64_t value;
	int e = units_parse(o->unit, text, &value);

	if (e == -EINVAL)
		return refuse(err, "must be %s", units_example(o->unit));
	if (e < 0 || value < o->smallest || value > o->largest)
		return refuse_range(o, err);
	*number_of(o, s) = value;
	return 0;
}

/* The consumer's side of the ring masks positions, so only powers of two will do. */
static int read_ring(const struct option *o, const char *text, struct settings *s,
		     struct option_error *err)
{
	uint64_t *ring = number_of(o, s), before = *ring, asked;
	char lower[UNITS_TEXT_BYTES], upper[UNITS_TEXT_BYTES];
	int e = read_number(o, text, s, err);

	if (e < 0 || (*ring & (*ring - 1)) == 0)
		return e;
	asked = *ring;
	*ring = before;
	uint64_t below = UINT64_C(1) << (63 - __builtin_clzll(asked));
	units_format(UNIT_BYTES, below, lower);
	units_format(UNIT_BYTES, below << 1, upper);
	return refuse(err, "must be a power of two: %s or %s", lower, upper);
}

/* `auto` is 0 in the settings until weir knows how many that is. */
static int read_workers(const struct option *o, const char *text, struct settings *s,
			struct option_error *err)
{
	if (strcmp(text, "auto") == 0) {
		s->workers = 0;
		return 0;
	}
	if (read_number(o, text, s, err) == 0)
		return 0;
	(void)snprintf(err->text + strlen(err->text), sizeof(err->text) - strlen(err->text),
		       ", or auto");
	return -EINVAL;
}

/* `1/N`, or N alone. */
static int read_portion(const struct option *o, const char *text, struct settings *s,
			struct option_error *err)
{
	uint64_t before = s->force_handoff;
	bool fraction = strncmp(text, "1/", 2) == 0;

	if (read_number(o, fraction ? text + 2 : text, s, err) == 0 &&
	    !(fraction && s->force_handoff == 0))
		return 0;
	s->force_handoff = before;
	return refuse(err, "must be 1/N, such as 1/2 or 1/100");
}

static void write_number(const struct option *o, const struct settings *s, FILE *to)
{
	char text[UNITS_TEXT_BYTES];

	if (o->read == read_workers && s->workers == 0) {
		fprintf(to, "%s = auto\n", o->name);
		return;
	}
	units_format(o->unit, *(const uint64_t *)((const char *)s + o->offset), text);
	fprintf(to, "%s = %s\n", o->name, text);
}

/* ---- texts ---- */

static int read_text(const struct option *o, const char *text, struct settings *s,
		     struct option_error *err)
{
	size_t bytes = strlen(text);

	if (bytes >= o->bytes)
		return refuse(err, "longer than %zu bytes", o->bytes - 1);
	memcpy((char *)s + o->offset, text, bytes + 1);
	return 0;
}

static void write_line(const char *name, const char *value, FILE *to)
{
	fprintf(to, "%s =%s", name, value[0] != '\0' ? " " : "");
	ini_text_write(value, to);
	fputc('\n', to);
}

static void write_text(const struct option *o, const struct settings *s, FILE *to)
{
	write_line(o->name, (const char *)s + o->offset, to);
}

static int read_format(const struct option *o, const char *text, struct settings *s,
		       struct option_error *err)
{
	static const char *const formats[] = { "jsonl", "streams" };
	struct suggest nearest;

	suggest_begin(&nearest, text);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(text, formats[i]) == 0)
			return read_text(o, text, s, err);
		suggest_offer(&nearest, formats[i]);
	}
	return refuse_word(err, &nearest, "such format", "jsonl, streams");
}

/* ---- words of their own ---- */

static int read_stage(const struct option *o, const char *text, struct settings *s,
		      struct option_error *err)
{
	struct suggest nearest;

	(void)o;
	suggest_begin(&nearest, text);
	for (uint32_t i = 0; i < STAGE_COUNT; i++) {
		if (strcmp(text, stage_name(i)) == 0) {
			s->until = i;
			return 0;
		}
		suggest_offer(&nearest, stage_name(i));
	}
#define STAGE_TEXT(name) " " #name
	return refuse_word(err, &nearest, "such stage", &STAGE_LIST(STAGE_TEXT)[1]);
}

static void write_stage(const struct option *o, const struct settings *s, FILE *to)
{
	fprintf(to, "%s = %s\n", o->name, stage_name(s->until));
}

#define FLOW_KEY_NAME(id, name) name,
static const char *const flow_keys[] = { FLOW_KEY_LIST(FLOW_KEY_NAME) };

static int read_flow_key(const struct option *o, const char *text, struct settings *s,
			 struct option_error *err)
{
	(void)o;
	for (uint32_t i = 0; i < FLOW_KEY_COUNT; i++) {
		if (strcmp(text, flow_keys[i]) == 0) {
			s->flow_key = i;
			return 0;
		}
	}
	return refuse(err, "must be full or 5tuple");
}

static void write_flow_key(const struct option *o, const struct settings *s, FILE *to)
{
	fprintf(to, "%s = %s\n", o->name, flow_keys[s->flow_key]);
}

static int read_quiet(const struct option *o, const char *text, struct settings *s,
		      struct option_error *err)
{
	uint64_t on;

	(void)o;
	if (units_parse(UNIT_SWITCH, text, &on) < 0)
		return refuse(err, "must be %s", units_example(UNIT_SWITCH));
	s->quiet = (uint32_t)on;
	return 0;
}

static void write_quiet(const struct option *o, const struct settings *s, FILE *to)
{
	fprintf(to, "%s = %s\n", o->name, s->quiet ? "on" : "off");
}

/* ---- lists of words ---- */

/* next_word - the next word of a list separated by commas or blanks.
 * Returns: false at the end; an overlong word comes cut, which no list accepts. */
static bool next_word(const char **at, char ret[WORD_BYTES])
{
	static const char separators[] = ", \t";
	size_t bytes;

	*at += strspn(*at, separators);
	bytes = strcspn(*at, separators);
	if (bytes == 0)
		return false;
	(void)snprintf(ret, WORD_BYTES, "%.*s", (int)bytes, *at);
	*at += bytes;
	return true;
}

/* add_name - append to a list whose names end in 0 and which itself ends in another. Once each. */
static int add_name(char *list, size_t list_bytes, const char *name, struct option_error *err)
{
	size_t bytes = strlen(name) + 1;
	char *end = list;

	for (; *end != '\0'; end += strlen(end) + 1)
		if (strcmp(end, name) == 0)
			return 0;
	if ((size_t)(end - list) + bytes + 1 > list_bytes)
		return refuse(err, "more than %zu bytes of names", list_bytes - 1);
	memcpy(end, name, bytes);
	end[bytes] = '\0';
	return 0;
}

/* Writes words as "NAME = a,b,c", beginning a new such line when one is full. */
struct line_writer {
	FILE *to;
	const char *name;
	size_t used; /* characters of the values on this line; 0: none yet */
};

static void put_word(struct line_writer *w, const char *word)
{
	if (w->used > LINE_BYTES) {
		fputc('\n', w->to);
		w->used = 0;
	}
	if (w->used == 0)
		fprintf(w->to, "%s = %s", w->name, word);
	else
		fprintf(w->to, ",%s", word);
	w->used += strlen(word) + 1;
}

static void end_words(struct line_writer *w, const char *if_none)
{
	if (w->used == 0)
		write_line(w->name, if_none, w->to);
	else
		fputc('\n', w->to);
}

static void write_names(const struct option *o, const char *list, const char *if_none, FILE *to)
{
	struct line_writer w = { .to = to, .name = o->name };

	for (; *list != '\0'; list += strlen(list) + 1)
		put_word(&w, list);
	end_words(&w, if_none);
}

/* A field name as RFC 9110, section 5.6.2 has it ("token"). */
static bool is_token(const char *name)
{
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char)*name) && strchr("!#$%&'*+-.^_`|~", *name) == NULL)
			return false;
	return true;
}

static void clear_headers(struct settings *s)
{
	s->headers = HEADERS_ALL;
	memset(s->header_names, 0, sizeof(s->header_names));
}

static int read_headers(const struct option *o, const char *text, struct settings *s,
			struct option_error *err)
{
	bool all = strcmp(text, "all") == 0;
	char name[WORD_BYTES];
	int e = 0;

	(void)o;
	if (all || strcmp(text, "none") == 0) {
		clear_headers(s);
		s->headers = all ? HEADERS_ALL : HEADERS_NONE;
		return 0;
	}
	if (s->headers != HEADERS_NAMED)
		clear_headers(s);
	while (e == 0 && next_word(&text, name)) {
		if (strlen(name) == WORD_BYTES - 1 || !is_token(name))
			return refuse(err, "\"%.60s\" is no header name", name);
		for (char *c = name; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
		s->headers = HEADERS_NAMED;
		e = add_name(s->header_names, sizeof(s->header_names), name, err);
	}
	if (e == 0 && s->headers != HEADERS_NAMED)
		return refuse(err, "must be all, none, or names such as host,user-agent");
	return e;
}

static void write_headers(const struct option *o, const struct settings *s, FILE *to)
{
	write_names(o, s->header_names, s->headers == HEADERS_NONE ? "none" : "all", to);
}

static int refuse_dissector(const char *name, struct option_error *err)
{
	struct suggest nearest;
	char what[WORD_BYTES + 32];

	suggest_begin(&nearest, name);
	for (uint32_t i = 0; i < dissector_count; i++)
		suggest_offer(&nearest, dissectors[i]->name);
	(void)snprintf(what, sizeof(what), "dissector \"%.60s\"", name);
	return refuse_word(err, &nearest, what, "see `weir dissectors`");
}

static void clear_dissectors(struct settings *s)
{
	memset(s->dissectors, 0, sizeof(s->dissectors));
}

static int read_dissectors(const struct option *o, const char *text, struct settings *s,
			   struct option_error *err)
{
	char name[WORD_BYTES];
	int e = 0;

	(void)o;
	if (strcmp(text, "all") == 0) {
		clear_dissectors(s);
		return 0;
	}
	while (e == 0 && next_word(&text, name)) {
		if (dissector_find(name) == DISSECTOR_NONE)
			return refuse_dissector(name, err);
		e = add_name(s->dissectors, sizeof(s->dissectors), name, err);
	}
	return e;
}

static void write_dissectors(const struct option *o, const struct settings *s, FILE *to)
{
	write_names(o, s->dissectors, "all", to);
}

/* ---- ports ---- */

static bool port_is_set(const struct settings *s, uint32_t port)
{
	return (s->ignore_ports[port >> 3] >> (port & 7) & 1) != 0;
}

/* read_port - digits only: neither `80x` nor `0x50` nor `-1` is a port. */
static bool read_port(const char *text, uint32_t *ret)
{
	uint64_t value;

	if (strspn(text, "0123456789") != strlen(text) ||
	    units_parse(UNIT_COUNT, text, &value) < 0 || value >= PORTS)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static void clear_ports(struct settings *s)
{
	memset(s->ignore_ports, 0, sizeof(s->ignore_ports));
	s->ignores_ports = 0;
}

static int read_ports(const struct option *o, const char *text, struct settings *s,
		      struct option_error *err)
{
	char word[WORD_BYTES];

	(void)o;
	while (next_word(&text, word)) {
		char *dash = strchr(word, '-');
		uint32_t first, last;

		if (dash != NULL)
			*dash = '\0';
		if (!read_port(word, &first) || !read_port(dash != NULL ? dash + 1 : word, &last) ||
		    first > last) {
			if (dash != NULL)
				*dash = '-';
			return refuse(
				err,
				"\"%.60s\" is no port: 0 to 65535, or a range such as 8000-8099",
				word);
		}
		for (uint32_t port = first; port <= last; port++)
			s->ignore_ports[port >> 3] |= (uint8_t)(1u << (port & 7));
		s->ignores_ports = 1;
	}
	return 0;
}

static void write_ports(const struct option *o, const struct settings *s, FILE *to)
{
	struct line_writer w = { .to = to, .name = o->name };
	char word[16];

	for (uint32_t first = 0; first < PORTS; first++) {
		uint32_t last = first;

		if (!port_is_set(s, first))
			continue;
		while (last + 1 < PORTS && port_is_set(s, last + 1))
			last++;
		if (first == last)
			(void)snprintf(word, sizeof(word), "%u", first);
		else
			(void)snprintf(word, sizeof(word), "%u-%u", first, last);
		put_word(&w, word);
		first = last;
	}
	end_words(&w, "");
}

/* ---- processors ---- */

static void clear_cores(struct settings *s)
{
	memset(s->core, 0, sizeof(s->core));
	s->core_count = 0;
}

static int read_cores(const struct option *o, const char *text, struct settings *s,
		      struct option_error *err)
{
	struct cpu_set set;

	(void)o;
	if (text[0] == '\0')
		return 0;
	if (cpu_list_read(text, &set) < 0)
		return refuse(err, "must be a list of processors, such as 2-5,8");
	for (uint32_t i = 0; i < CPU_MAX; i++) {
		if (!cpu_has(&set, i))
			continue;
		if (s->core_count == SETTINGS_WORKERS_MAX)
			return refuse(err, "more than %d processors", SETTINGS_WORKERS_MAX);
		s->core[s->core_count++] = (uint16_t)i;
	}
	return 0;
}

static void write_cores(const struct option *o, const struct settings *s, FILE *to)
{
	struct cpu_set set = { { 0 } };
	char list[SETTINGS_WORKERS_MAX * 6];

	for (uint32_t i = 0; i < s->core_count; i++)
		set.word[s->core[i] / 64] |= UINT64_C(1) << s->core[i] % 64;
	(void)cpu_list(&set, list, sizeof(list));
	write_line(o->name, list, to);
}

/* ---- sources ---- */

static void clear_rx(struct settings *s)
{
	memset(s->rx, 0, sizeof(s->rx));
	s->rx_count = 0;
}

static int read_rx(const struct option *o, const char *text, struct settings *s,
		   struct option_error *err)
{
	size_t bytes = strlen(text), name_bytes = strcspn(text, ":");

	(void)o;
	for (size_t i = 0; i < name_bytes; i++)
		if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) &&
		    text[i] != '_')
			name_bytes = 0;
	if (name_bytes == 0)
		return refuse(err, "must be NAME or NAME:ARGUMENT, such as file or synth");
	if (name_bytes == 4 && strncmp(text, "file", 4) == 0 && strcmp(s->command, "capture") == 0)
		return refuse(err, "is read with `weir read`");
	if (strcmp(text, "file") == 0) /* what there is when nothing else is named */
		return 0;
	if (name_bytes == 4 && strncmp(text, "file", 4) == 0)
		return refuse(err, "takes no argument; name the files themselves");
	if (s->rx_count == SETTINGS_RX_MAX)
		return refuse(err, "more than %d sources", SETTINGS_RX_MAX);
	if (bytes >= sizeof(s->rx[0]))
		return refuse(err, "longer than %zu bytes", sizeof(s->rx[0]) - 1);
	memcpy(s->rx[s->rx_count++], text, bytes + 1);
	return 0;
}

static void write_rx(const struct option *o, const struct settings *s, FILE *to)
{
	if (s->rx_count == 0 && strcmp(s->command, "read") == 0)
		fprintf(to, "%s = file\n", o->name);
	for (uint32_t i = 0; i < s->rx_count; i++)
		write_line(o->name, s->rx[i], to);
}

/* What an interface is called: no white space, no slash, less than 16 characters (dev_valid_name()
 * of the kernel). */
static int read_interface(const struct option *o, const char *text, struct settings *s,
			  struct option_error *err)
{
	char spec[sizeof("auto:") + 16];
	size_t bytes = strlen(text);

	if (bytes == 0 || bytes > 15 || strcspn(text, "/: \t\n,") != bytes)
		return refuse(err, "is no name of an interface");
	(void)snprintf(spec, sizeof(spec), "auto:%s", text);
	return read_rx(o, spec, s, err);
}

static int read_name(const struct option *o, const char *text, struct settings *s,
		     struct option_error *err)
{
	for (const char *c = text; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("-_", *c) == NULL)
			return refuse(err, "must be letters, digits, - and _");
	if (strcmp(text, UNDO_FOLDER) == 0)
		return refuse(err, "must be another: there lies the journal of `weir check`");
	return read_text(o, text, s, err);
}

static int read_metrics(const struct option *o, const char *text, struct settings *s,
			struct option_error *err)
{
	struct sockaddr_storage address;

	if (text[0] != '\0' && address_parse(text, &address) < 0)
		return refuse(
			err,
			"must be PORT, ADDRESS:PORT or [ADDRESS]:PORT, such as 9100 or [::1]:9100");
	return read_text(o, text, s, err);
}

static void clear_input(struct settings *s)
{
	memset(s->input, 0, s->input_bytes);
	s->input_count = 0;
	s->input_bytes = 0;
}

static int read_input(const struct option *o, const char *text, struct settings *s,
		      struct option_error *err)
{
	size_t bytes = strlen(text) + 1;

	(void)o;
	if (bytes == 1)
		return refuse(err, "is empty");
	if (bytes > SETTINGS_PATH_BYTES)
		return refuse(err, "longer than %d bytes", SETTINGS_PATH_BYTES - 1);
	if (bytes > sizeof(s->input) - s->input_bytes)
		return refuse(
			err,
			"the names of all files take more than %zu bytes; name a folder instead",
			sizeof(s->input));
	memcpy(s->input + s->input_bytes, text, bytes);
	s->input_bytes += (uint32_t)bytes;
	s->input_count++;
	return 0;
}

static void write_input(const struct option *o, const struct settings *s, FILE *to)
{
	const char *at = s->input;

	for (uint32_t i = 0; i < s->input_count; i++, at += strlen(at) + 1)
		write_line(o->name, at, to);
}

/* ---- the table ---- */

#define ARGUMENT_UNIT_COUNT   "N"
#define ARGUMENT_UNIT_BYTES   "SIZE"
#define ARGUMENT_UNIT_TIME_NS "TIME"
#define ARGUMENT_UNIT_SWITCH  "on|off"

/* The few numbers with a rule beyond their range. */
#define IS(field, other) (offsetof(struct settings, field) == offsetof(struct settings, other))
#define READER(field)                                                                              \
	(IS(field, ring_bytes) || IS(field, handoff_bytes) ? read_ring                             \
	 : IS(field, workers)                              ? read_workers                          \
	 : IS(field, force_handoff)                        ? read_portion                          \
							   : read_number)
#define TEXT_MEMBER(field)                                                                         \
	.offset = offsetof(struct settings, field), .bytes = sizeof(((struct settings *)0)->field)

/* clang-format off */
#define OPTION_NUMBER(field, text, def, min, max, kind, line) \
	{ .name = text, .argument = ARGUMENT_##kind, .help = line, .read = READER(field), \
	  .write = write_number, .offset = offsetof(struct settings, field), .unit = kind, \
	  .preset = def, .smallest = min, .largest = max },

const struct option options[] = {
	{ .name = "input", .argument = "FILE", .read = read_input, .write = write_input, .clear = clear_input, .is_hidden = true,
	  .help = "a file or folder to read; the operands of the command line say the same" },
	{ .name = "filter", .argument = "EXPR", .read = read_text, .write = write_text, TEXT_MEMBER(filter),
	  .help = "libpcap filter expression; the same as the operands after the files" },
	{ .name = "interface", .argument = "IFACE", .read = read_interface, .clear = clear_rx,
	  .help = "capture here, by the best means that works (the same: -i IFACE); may be repeated: a TAP is two" },
	{ .name = "rx", .argument = "NAME[:ARG]", .read = read_rx, .write = write_rx, .clear = clear_rx,
	  .help = "where packets come from: NAME:ARG[,option=value...]; may be repeated" },
	{ .name = "ignore-ports", .argument = "LIST", .read = read_ports, .write = write_ports, .clear = clear_ports,
	  .help = "pass over TCP and UDP packets from or to these ports: 22,8000-8099" },
	{ .name = "output", .argument = "FILE", .read = read_text, .write = write_text, TEXT_MEMBER(output),
	  .help = "where records go; - is standard output, an empty name is nowhere (default -)" },
	{ .name = "format", .argument = "NAME", .read = read_format, .write = write_text, TEXT_MEMBER(format),
	  .help = "jsonl: a line per request/response pair; streams: a line per TCP direction with a hash of its bytes (default jsonl)" },
	{ .name = "headers", .argument = "WHICH", .read = read_headers, .write = write_headers, .clear = clear_headers,
	  .help = "all, none, or only those named: host,user-agent (default all)" },
	{ .name = "ledger", .argument = "FILE", .read = read_text, .write = write_text, TEXT_MEMBER(ledger),
	  .help = "write every counter and balance as JSON at the end" },
	{ .name = "metrics", .argument = "ADDRESS", .read = read_metrics, .write = write_text, TEXT_MEMBER(metrics),
	  .help = "serve metrics for Prometheus on [IP:]PORT; without IP on 127.0.0.1 only (default: none)" },
	{ .name = "name", .argument = "NAME", .read = read_name, .write = write_text, TEXT_MEMBER(name),
	  .help = "what `weir ctl --name` calls this capture (default: made up)" },
	{ .name = "user", .argument = "USER", .read = read_text, .write = write_text, TEXT_MEMBER(user),
	  .help = "whom both daemons become before the first packet, when root (default: who called sudo, else weir, else nobody)" },
	{ .name = "flow-key", .argument = "full|5tuple", .read = read_flow_key, .write = write_flow_key,
	  .help = "what makes a flow: full takes VLAN ids and tunnel ids into account, 5tuple does not (default full)" },
	{ .name = "until", .argument = "STAGE", .read = read_stage, .write = write_stage,
	  .help = "cut the pipeline after this stage: open rx decode flow reassembly dissect pair emit drain format normal (default normal)" },
	{ .name = "dissectors", .argument = "LIST", .read = read_dissectors, .write = write_dissectors, .clear = clear_dissectors,
	  .help = "only these protocols, as `weir dissectors` names them (default all)" },
	{ .name = "cores", .argument = "LIST", .read = read_cores, .write = write_cores, .clear = clear_cores,
	  .help = "processors of the workers, one worker pinned to each: 2-5,8; weir's other threads stay off them (default: any)" },
	{ .name = "quiet", .argument = "on|off", .read = read_quiet, .write = write_quiet, .is_switch = true,
	  .help = "no progress, no table and no closing line on standard error" },
	SETTINGS_LIST(OPTION_NUMBER)
};
/* clang-format on */

const uint32_t option_count = sizeof(options) / sizeof(options[0]);

const struct option *option_find(const char *name)
{
	for (uint32_t i = 0; i < option_count; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

bool option_serves(const struct option *o, const char *command)
{
	static const struct {
		const char *name, *command;
	} only[] = {
		{ "input", "read" },          { "interface", "capture" }, { "duration", "capture" },
		{ "promiscuous", "capture" }, { "poll", "capture" },      { "user", "capture" },
		{ "metrics", "capture" },     { "name", "capture" },
	};

	for (size_t i = 0; i < sizeof(only) / sizeof(only[0]); i++)
		if (strcmp(only[i].name, o->name) == 0)
			return strcmp(only[i].command, command) == 0;
	return true;
}

const char *option_suggest(const char *name, const char *command)
{
	struct suggest s;

	suggest_begin(&s, name);
	for (uint32_t i = 0; i < option_count; i++)
		if (option_serves(&options[i], command))
			suggest_offer(&s, options[i].name);
	return s.best;
}
