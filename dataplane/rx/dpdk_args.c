/* dpdk_args - what of --rx dpdk:… is weir's and what the driver's. */
#include "dataplane/rx/dpdk_args.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/compiler.h"

enum {
	MBUF_BYTES = 2048,         /* of data: a frame of 1,518 bytes, and what NICs insist on */
	MBUF_OVERHEAD_BYTES = 384, /* head, headroom, and the mempool's own */
	FRAME_SLACK_BYTES = 128,   /* of a packet socket's ring: its header, Ethernet, two tags */
	BLOCK_BYTES = 128 << 10,
	RING_FRAMES = 8192,
	MBUFS = 8192,
	MBUFS_MIN = 1024,
	AF_PACKET_FRAMES_BYTES = 64 << 20, /* a ring of larger frames has fewer of them */
	OPTIONS_BYTES = 512,
};

static const char *const page_words[] = { "auto", "on", "off", NULL };
static const char *const flow_words[] = { "new", "same", NULL };
static const char *const switch_words[] = { "off", "on", NULL };
static const char *const message_words[] = { "few", "all", NULL };

/* clang-format off */
const struct rx_option dpdk_options[] = {
	{ "hugepages", RX_OPTION_WORD, offsetof(struct dpdk_args, pages), DPDK_PAGES_AUTO, 0, 0, page_words,
	  "memory on huge pages; auto: if enough are free, else on normal ones (EAL's --no-huge)" },
	{ "mbufs", RX_OPTION_COUNT, offsetof(struct dpdk_args, mbufs), MBUFS, MBUFS_MIN, 1 << 22, NULL,
	  "packets that there is memory for, per worker" },
	{ "mbuf", RX_OPTION_BYTES, offsetof(struct dpdk_args, mbuf_bytes), MBUF_BYTES, 1024, 65024, NULL,
	  "of each; a longer packet comes in several where the driver can, and is put together" },
	{ "descriptors", RX_OPTION_COUNT, offsetof(struct dpdk_args, descriptors), 4096, 64, 32768, NULL,
	  "of each receive queue, as far as the driver lets choose" },
	{ "feed", RX_OPTION_TEXT, offsetof(struct dpdk_args, feed), 0, 0, sizeof(((struct dpdk_args *)0)->feed), NULL,
	  "net_ring: a capture whose packets weir itself puts into the ring, from memory, over and over" },
	{ "rounds", RX_OPTION_COUNT, offsetof(struct dpdk_args, rounds), 0, 1, UINT64_C(1) << 40, NULL,
	  "how often the feed is gone through (default until --count, --duration or a stop)" },
	{ "flows", RX_OPTION_WORD, offsetof(struct dpdk_args, flows), DPDK_FLOWS_NEW, 0, 0, flow_words,
	  "of a capture that is looped: new addresses in each round, or the same again" },
	{ "feed-core", RX_OPTION_COUNT, offsetof(struct dpdk_args, core), DPDK_NO_CORE, 0, 1023, NULL,
	  "where the first worker's feeder runs, the others on those behind it (default anywhere)" },
	{ "telemetry", RX_OPTION_WORD, offsetof(struct dpdk_args, telemetry), 1, 0, 0, switch_words,
	  "DPDK's telemetry socket" },
	{ "messages", RX_OPTION_WORD, offsetof(struct dpdk_args, messages), 0, 0, 0, message_words,
	  "of EAL and the drivers in the log: what goes wrong while capture runs, or everything" },
	{ 0 },
};
/* clang-format on */

__attribute__((format(printf, 2, 3))) static int refuse(struct rx_error *err, const char *format,
							...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- words ---- */

/* word_bytes - to the comma that ends the word that begins here. */
static size_t word_bytes(const char *at)
{
	size_t n = 0;
	int depth = 0;

	for (; at[n] != 0 && (at[n] != ',' || depth > 0); n++)
		if (at[n] == '[' || at[n] == '(')
			depth++;
		else if ((at[n] == ']' || at[n] == ')') && depth > 0)
			depth--;
	return n;
}

static bool is_named(const char *word, size_t bytes, const char *name)
{
	size_t length = strlen(name);

	return bytes > length && memcmp(word, name, length) == 0 && word[length] == '=';
}

static bool is_ours(const char *word, size_t bytes)
{
	for (const struct rx_option *o = dpdk_options; o->name != NULL; o++)
		if (is_named(word, bytes, o->name))
			return true;
	return false;
}

/* append - with a comma before it where something is there already. False: it does not fit. */
static bool append(char *to, size_t room, const char *word, size_t bytes)
{
	size_t have = strlen(to), comma = have > 0;

	if (have + comma + bytes >= room)
		return false;
	if (comma)
		to[have++] = ',';
	memcpy(to + have, word, bytes);
	to[have + bytes] = 0;
	return true;
}

/* find - the n-th value of that name among the driver's arguments; NULL: there is none. */
static const char *find(const struct dpdk_args *a, const char *name, uint32_t n, size_t *ret_bytes)
{
	for (const char *at = a->device; *at != 0;) {
		size_t bytes = word_bytes(at);

		if (is_named(at, bytes, name) && n-- == 0) {
			*ret_bytes = bytes - strlen(name) - 1;
			return at + strlen(name) + 1;
		}
		at += bytes;
		at += *at == ',';
	}
	return NULL;
}

bool dpdk_args_nth(const struct dpdk_args *a, const char *name, uint32_t n, char *ret, size_t bytes)
{
	size_t length = 0;
	const char *value = find(a, name, n, &length);

	if (value == NULL)
		return false;
	snprintf(ret, bytes, "%.*s", (int)length, value);
	return true;
}

bool dpdk_args_value(const struct dpdk_args *a, const char *name, char *ret, size_t bytes)
{
	return dpdk_args_nth(a, name, 0, ret, bytes);
}

uint32_t dpdk_args_count(const struct dpdk_args *a, const char *name)
{
	size_t bytes;
	uint32_t n = 0;

	while (find(a, name, n, &bytes) != NULL)
		n++;
	return n;
}

int dpdk_args_add(struct dpdk_args *a, const char *name, uint64_t value)
{
	char word[96];
	int n = snprintf(word, sizeof(word), "%s=%" PRIu64, name, value);

	if (dpdk_args_count(a, name) > 0)
		return 0;
	return append(a->device, sizeof(a->device), word, (size_t)n) ? 0 : -EINVAL;
}

/* number - of one of the driver's arguments, or `otherwise`. */
static uint64_t number(const struct dpdk_args *a, const char *name, uint64_t otherwise)
{
	char text[32];

	return dpdk_args_value(a, name, text, sizeof(text)) ? strtoull(text, NULL, 0) : otherwise;
}

/* ---- devices ---- */

static size_t hex_digits(const char *at)
{
	size_t n = 0;

	while (isxdigit((unsigned char)at[n]))
		n++;
	return n;
}

/* is_pci - 0000:01:00.0 or 01:00.0 */
static bool is_pci(const char *name)
{
	size_t n = hex_digits(name);

	if (n == 4 && name[4] == ':')
		name += 5;
	return hex_digits(name) == 2 && name[2] == ':' && hex_digits(name + 3) == 2 &&
	       name[5] == '.' && name[6] >= '0' && name[6] <= '7' && name[7] == 0;
}

static const struct driver {
	const char *name;
	enum dpdk_kind kind;
} drivers[] = {
	{ "net_af_packet", DPDK_AF_PACKET }, { "net_af_xdp", DPDK_AF_XDP },
	{ "net_pcap", DPDK_PCAP_FILE },      { "net_tap", DPDK_TAP },
	{ "net_ring", DPDK_RING },           { "net_null", DPDK_NULL },
	{ "net_memif", DPDK_MEMIF },
};

/* kind_of - of a virtual device by its driver's name, behind which a number may stand. */
static enum dpdk_kind kind_of(const char *name)
{
	if (is_pci(name))
		return DPDK_PCI;
	for (size_t i = 0; i < array_count(drivers); i++) {
		size_t length = strlen(drivers[i].name);

		if (strncmp(name, drivers[i].name, length) == 0 &&
		    name[length + strspn(name + length, "0123456789")] == 0)
			return drivers[i].kind;
	}
	return DPDK_OTHER;
}

static int need_interface(struct dpdk_args *a, const char *key, struct rx_error *err)
{
	if (dpdk_args_value(a, key, a->interface, sizeof(a->interface)) && a->interface[0] != 0)
		return 0;
	return refuse(err, "dpdk:%s: an interface is needed: --rx dpdk:%s,%s=eth0", a->name,
		      a->name, key);
}

static int check_pcap(struct dpdk_args *a, struct rx_error *err)
{
	if (dpdk_args_count(a, "rx_pcap") > 0)
		return 0;
	a->kind = DPDK_PCAP_INTERFACE;
	if (dpdk_args_value(a, "iface", a->interface, sizeof(a->interface)) ||
	    dpdk_args_value(a, "rx_iface_in", a->interface, sizeof(a->interface)))
		return 0;
	if (dpdk_args_value(a, "rx_iface", a->interface, sizeof(a->interface)))
		return 0;
	return refuse(err,
		      "dpdk:%s: a file or an interface is needed: --rx dpdk:%s,rx_pcap=FILE or "
		      "--rx dpdk:%s,rx_iface=eth0",
		      a->name, a->name, a->name);
}

static int check_device(struct dpdk_args *a, struct rx_error *err)
{
	int code = 0;

	a->kind = kind_of(a->name);
	if (a->kind == DPDK_AF_PACKET || a->kind == DPDK_AF_XDP)
		code = need_interface(a, "iface", err);
	else if (a->kind == DPDK_PCAP_FILE)
		code = check_pcap(a, err);
	else if (a->kind == DPDK_TAP)
		(void)dpdk_args_value(a, "iface", a->interface, sizeof(a->interface));
	if (code == 0 && a->feed[0] != 0 && a->kind != DPDK_RING)
		return refuse(err, "dpdk:%s: feed= is for net_ring: --rx dpdk:net_ring0,feed=%s",
			      a->name, a->feed);
	if (code == 0 && a->kind == DPDK_RING && a->feed[0] == 0)
		return refuse(err,
			      "dpdk:%s: nothing is ever in the ring without a feed: --rx "
			      "dpdk:%s,feed=CAPTURE",
			      a->name, a->name);
	return code;
}

/* ---- the argument ---- */

int dpdk_args_read(const char *argument, struct dpdk_args *ret, struct rx_error *err)
{
	char options[OPTIONS_BYTES] = "";
	struct dpdk_args a = { .kind = DPDK_OTHER };
	const char *at = argument != NULL ? argument : "";
	size_t bytes = word_bytes(at);
	int code;

	if (bytes == 0 || memchr(at, '=', bytes) != NULL)
		return refuse(err, "dpdk: a device is needed: --rx dpdk:0000:01:00.0 or "
				   "--rx dpdk:net_af_packet0,iface=eth0");
	if (bytes >= sizeof(a.name))
		return refuse(err, "dpdk: %.40s…: a device's name has at most %zu letters", at,
			      sizeof(a.name) - 1);
	memcpy(a.name, at, bytes);
	while (*at != 0) {
		bool ours = is_ours(at, bytes);

		if (!append(ours ? options : a.device, ours ? sizeof(options) : sizeof(a.device),
			    at, bytes))
			return refuse(err, "dpdk:%s: the argument is too long", a.name);
		at += bytes;
		at += *at == ',';
		bytes = word_bytes(at);
	}
	code = options_read("dpdk", dpdk_options, options, NULL, 0, &a, err);
	if (code == 0)
		code = check_device(&a, err);
	if (code == 0)
		*ret = a;
	return code;
}

/* ---- what the driver is told ---- */

static uint64_t power_of_two(uint64_t at_least)
{
	uint64_t n = 1;

	while (n < at_least)
		n *= 2;
	return n;
}

/* Frames of a packet socket's ring are cut at their size, without a word: they must be as long as
 * the interface's. The driver wants mbufs that hold one. */
static int complete_af_packet(struct dpdk_args *a, uint32_t workers, uint32_t mtu_bytes)
{
	uint64_t frame = power_of_two(mtu_bytes + FRAME_SLACK_BYTES), frames, block;
	int code;

	frame = number(a, "framesz", frame < 2048 ? 2048 : frame);
	block = number(a, "blocksz", frame > BLOCK_BYTES ? frame : BLOCK_BYTES);
	frames = frame == 0 ? 0 : AF_PACKET_FRAMES_BYTES / frame;
	if (frames > RING_FRAMES)
		frames = RING_FRAMES;
	if (a->mbuf_bytes < frame)
		a->mbuf_bytes = frame;
	code = dpdk_args_add(a, "framesz", frame);
	if (code == 0)
		code = dpdk_args_add(a, "blocksz", block);
	if (code == 0)
		code = dpdk_args_add(a, "framecnt", frames);
	return code < 0 ? code : dpdk_args_add(a, "qpairs", workers);
}

int dpdk_args_complete(struct dpdk_args *a, uint32_t workers, uint32_t mtu_bytes)
{
	switch (a->kind) {
	case DPDK_AF_PACKET: return complete_af_packet(a, workers, mtu_bytes);
	case DPDK_AF_XDP: return dpdk_args_add(a, "queue_count", workers);
	case DPDK_MEMIF: return dpdk_args_add(a, "rsize", 13);
	default: return 0;
	}
}

uint64_t dpdk_args_memory_bytes(const struct dpdk_args *a, uint32_t workers)
{
	return workers * a->mbufs * (a->mbuf_bytes + MBUF_OVERHEAD_BYTES);
}
