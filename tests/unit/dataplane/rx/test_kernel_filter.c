/* Proves what kernel_filter.h promises: the program for XDP passes the kernel's verifier and
 * answers as libpcap's bpf_filter() for every kind of expression on every prefix of many frames, in
 * one buffer and in several; what it refuses is counted, what it accepts goes on in the next
 * program. The program for a packet socket refuses nothing that bpf_filter() accepts, and no frame
 * without its VLAN tag. What makes no sense is refused by both.
 *
 * With WEIR_PRINT_COST in the environment it also prints what a typical filter costs, and
 * WEIR_RANDOM_EXPRESSIONS says how many random ones are to be tried.
 */
#include "dataplane/rx/kernel_filter.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

/* As in kernel_filter.c: libpcap's struct bpf_insn would be in the way of the kernel's. */
struct bpf_program {
	u_int bf_len;
	struct sock_filter *bf_insns;
};

#define PCAP_DONT_INCLUDE_PCAP_BPF_H
#include <pcap/dlt.h>
#include <pcap/pcap.h>

#include "dataplane/base/compiler.h"
#include "tests/support/check.h"
#include "tests/support/packets.h"

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

u_int bpf_filter(const struct sock_filter *program, const u_char *frame, u_int wire_bytes,
		 u_int caplen_bytes);

enum {
	SHORTEST = 14, /* that the kernel tries a program on */
	TAIL_SLOTS = 4,
	TAIL_INDEX = 2,
	COUNTER_BYTES = 1 << 16,
	COUNTER_OFFSET = 192,
	COUNTER_STRIDE_BYTES = 256,
	LOG_BYTES = 1 << 16,
	PREFIX_INSNS = 3,
};

/* ---- what libpcap says ---- */

static bool pcap_takes(const char *expression, struct bpf_program *ret)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 262144);
	int failed;

	assert_non_null(dead);
	failed = pcap_compile(dead, ret, expression, 1, 0xffffffff);
	pcap_close(dead);
	return failed == 0;
}

static struct bpf_program compiled(const char *expression)
{
	struct bpf_program p;

	if (!pcap_takes(expression, &p))
		fail_msg("libpcap does not take: %s", expression);
	return p;
}

/* ---- frames ---- */

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void add(struct capture *c, const struct packet_spec *spec)
{
	static struct frame f;

	packet_build(&f, spec);
	capture_add(c, &f, 0);
}

static void add_plain(struct capture *c)
{
	struct endpoint a = endpoint("10.0.0.1", 40000), b = endpoint("10.0.0.2", 80),
			v6a = endpoint("fd00::1", 40001), v6b = endpoint("fd00::2", 80);
	static const char options[12] = { 1, 1, 8, 10 };

	add(c, PACKET(.from = a, .to = b, .flags = TCP_SYN));
	add(c, PACKET(.from = b, .to = a, .flags = TCP_SYN | TCP_ACK, .options = options,
		      .option_bytes = sizeof(options)));
	add(c, PACKET(.from = a, .to = b, .flags = TCP_ACK | TCP_PSH,
		      PAYLOAD("GET / HTTP/1.1\r\n\r\n")));
	add(c, PACKET(.from = endpoint("192.168.1.77", 53), .to = endpoint("10.0.0.2", 5353),
		      .protocol = IPPROTO_UDP, PAYLOAD("question")));
	add(c, PACKET(.from = a, .to = b, .protocol = IPPROTO_ICMP, PAYLOAD("\10\0abcdef")));
	add(c, PACKET(.from = a, .to = b, .flags = TCP_FIN | TCP_ACK, .ip_option_bytes = 40));
	add(c, PACKET(.from = v6a, .to = v6b, .flags = TCP_SYN));
	add(c, PACKET(.from = v6b, .to = v6a, .protocol = IPPROTO_UDP, PAYLOAD("answer")));
	add(c, PACKET(.from = v6a, .to = v6b, .protocol = IPPROTO_ICMPV6, PAYLOAD("\200\0abcdef")));
	add(c, PACKET(.from = v6a, .to = v6b, .extension = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS },
		      .extensions = 2, .flags = TCP_ACK));
}

static void add_wrapped(struct capture *c)
{
	struct endpoint a = endpoint("10.0.0.1", 40000), b = endpoint("10.0.0.2", 80);

	add(c, PACKET(.from = a, .to = b, .flags = TCP_ACK, .vlan = { 12 }, .vlans = 1));
	add(c, PACKET(.from = a, .to = b, .flags = TCP_ACK, .vlan = { 100, 12 }, .vlans = 2));
	add(c, PACKET(.from = endpoint("fd00::1", 9), .to = endpoint("fd00::2", 80), .vlan = { 7 },
		      .vlans = 1));
	add(c,
	    PACKET(.from = a, .to = b, PAYLOAD("0123456789abcdef0123456789abcdef"),
		   .fragment = { .yes = true, .id = 7, .offset = 0, .bytes = 24, .more = true }));
	add(c, PACKET(.from = a, .to = b, PAYLOAD("0123456789abcdef0123456789abcdef"),
		      .fragment = { .yes = true, .id = 7, .offset = 24, .bytes = 28 }));
}

/* add_scribbled - the same with an ethertype, or a byte here and there, from elsewhere. */
static void add_scribbled(struct capture *c, uint64_t *seed)
{
	static const uint16_t ethertype[] = { 0x0806, 0x8847, 0x8863, 0x8864, 0x88a8,
					      0x8035, 0x0040, 0x9100, 0x86dd };
	static struct frame f;

	for (uint32_t i = 0; i < array_count(ethertype); i++) {
		packet_build(&f, PACKET(.from = endpoint("10.0.0.1", 80),
					.to = endpoint("10.0.0.2", 4), .flags = TCP_ACK));
		f.at[12] = (uint8_t)(ethertype[i] >> 8);
		f.at[13] = (uint8_t)ethertype[i];
		f.at[14] = (uint8_t)next_random(seed);
		f.at[16] |= 1; /* bottom of an MPLS stack */
		capture_add(c, &f, 0);
	}
	for (uint32_t i = 0; i < 12; i++) {
		f.bytes = 14 + (uint32_t)(next_random(seed) % 120);
		for (uint32_t k = i % 2 == 0 ? 0 : 15; k < f.bytes; k++)
			f.at[k] = (uint8_t)next_random(seed);
		if (i % 2 != 0) {
			f.at[12] = 8;
			f.at[13] = 0;
			f.at[14] = (uint8_t)(0x40 | next_random(seed) % 16);
			f.at[23] = IPPROTO_TCP;
		}
		capture_add(c, &f, 0);
	}
}

static struct capture *frames(void)
{
	static struct capture c;
	uint64_t seed = 77;

	if (c.count == 0) {
		add_plain(&c);
		add_wrapped(&c);
		add_scribbled(&c, &seed);
	}
	return &c;
}

/* ---- expressions ---- */

static const char *const expressions[] = {
	"tcp port 80",
	"port 80",
	"not port 80",
	"udp port 53 or tcp port 80",
	"src port 80",
	"dst port 80",
	"portrange 50-100",
	"tcp src portrange 30000-50000",
	"not portrange 0-65535",
	"host 10.0.0.1",
	"src host 10.0.0.2",
	"dst host 10.0.0.2 and not src host 10.0.0.1",
	"host fd00::1",
	"net 10.0.0.0/8",
	"net 192.168.0.0/16 or net fd00::/16",
	"src net fd00::/127",
	"ip",
	"ip6",
	"arp",
	"rarp",
	"tcp",
	"udp",
	"icmp",
	"icmp6",
	"ip proto 47",
	"ip6 proto 6",
	"ether host 02:00:00:00:00:01",
	"ether broadcast or ether multicast",
	"ip multicast",
	"ether proto 0x8863",
	"llc",
	"stp",
	"vlan",
	"vlan 12",
	"not vlan",
	"vlan and tcp port 80",
	"vlan 100 and vlan 12 and host 10.0.0.2",
	"tcp port 80 or (vlan and tcp port 80) or (vlan and tcp port 80)",
	"mpls",
	"mpls 1024 and ip",
	"mpls and tcp port 80",
	"pppoed",
	"pppoes",
	"pppoes and tcp port 80",
	"greater 60",
	"less 60",
	"len > 60 and len <= 90",
	"len % 2 = 1",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"tcp[tcpflags] & tcp-syn != 0 and not tcp[tcpflags] & tcp-ack != 0",
	"tcp[12:1] & 0xf0 > 0x50",
	"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
	"ip[6:2] & 0x1fff = 0",
	"ip[6:2] & 0x3fff != 0",
	"ip[8] < 64",
	"ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0",
	"ip6[40+2] != 0",
	"ip6[6] = 0 and ip6[40] = 60",
	"icmp[icmptype] = icmp-echo",
	"icmp[0] = 8",
	"udp[4:2] > 8",
	"ether[0] & 1 = 0",
	"ether[12:2] = 0x0800",
	"ether[0:4] + ether[4:4] * 3 > ether[8:4]",
	"ether[20:4] / ether[14] > 5",
	"ether[20:4] / (ether[14] & 1) > 5",
	"ether[20:4] % ether[15] != 3",
	"ether[20:4] % (ether[16:2] & 3) = 1",
	"ether[20:4] << ether[14] > 5",
	"ether[20:4] >> (ether[14] & 31) > 5",
	"ether[20:4] >> (ether[14] & 63) = 0",
	"ether[20:4] ^ ether[24:4] > 0x80000000",
	"ether[20:4] | 0x80000000 >= 0xf0000000",
	"-ether[20:4] > 0xfffffff0",
	"0 - ether[14] < 0xffffffa0",
	"ether[20:4] = ether[24:4]",
	"ether[20:4] & ether[24:4] != ether[26:4]",
	"ether[ether[15]] = 0",
	"ether[ether[14:4]] = 0",
	"ether[ether[14:4]:2] >= 0",
	"ether[ether[14:4]:4] >= 0",
	"ether[0 - ether[15]:4] >= 0",
	/* as many intermediate results as there is memory for */
	"ether[0] + (ether[1] + (ether[2] + (ether[3] + (ether[4] + (ether[5] + (ether[6] + "
	"(ether[7] "
	"+ (ether[8] + (ether[9] + (ether[10] + (ether[14] + (ether[15] + (ether[16] + "
	"ether[17]))))))"
	"))))))) & 1 = 0",
	"ether[ether[15] - 1:2] > 100",
	"ip[ip[0] - 4:2] > 1000",
	"ether[len - 1] = 0",
	"ether[len - 4:4] = 0",
	"ether[len - 2:4] >= 0",
	"ether[65535] = 0",
	"ether[65536:4] = 0",
	"ether[200] = 0 or tcp",
	"tcp and (port 80 or port 443 or port 8080) and not host 192.168.1.77",
	"(ip and tcp) or (ip6 and udp) or arp or (vlan and ip)",
	"ip or greater 0",
};

/* or_list - a list of `count` hosts of which one, somewhere inside, is in the frames. */
static char *or_list(uint32_t count)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	for (uint32_t i = 0; i < count; i++)
		fprintf(to, "%shost 10.%u.%u.2", i == 0 ? "" : " or ",
			(i + count / 2) % count / 200, (i + count / 2) % count % 200);
	fclose(to);
	return text;
}

/* sum - one condition over `count` bytes: as long a program as is wanted, compiled in no time. */
static char *sum(uint32_t count)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	for (uint32_t i = 0; i < count; i++)
		fprintf(to, "%sether[%u]", i == 0 ? "" : " + ", i % 40);
	fprintf(to, " > 3000");
	fclose(to);
	return text;
}

/* ---- in the kernel ---- */

/* What a translated program works with. */
struct kernel {
	uint32_t flags;
	int tail_map, counter_map, next, program;
	struct kernel_filter_ends ends;
	uint32_t insns;
};

static const struct bpf_insn pass[] = {
	{ .code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
	{ .code = BPF_JMP | BPF_EXIT },
};

/* can_load - may this process load programs, and is the kernel one with frames in several buffers,
 * and so with the helpers that translated programs call? */
static bool can_load(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_XDP_HAS_FRAGS);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "weir_try", "GPL", pass, array_count(pass),
			       &opts);

	if (fd < 0) {
		print_message("such programs cannot be loaded here: %s\n", strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

static int load_program(const struct kernel *k, const struct bpf_insn *insn, uint32_t count,
			const char *what)
{
	static char log[LOG_BYTES];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = k->flags);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "weir_try", "GPL", insn, count, &opts);

	if (fd >= 0)
		return fd;
	opts.log_buf = log;
	opts.log_size = sizeof(log);
	opts.log_level = 1;
	(void)bpf_prog_load(BPF_PROG_TYPE_XDP, "weir_try", "GPL", insn, count, &opts);
	log[sizeof(log) - 1] = 0;
	size_t length = strlen(log);
	fail_msg("not loaded: %s\n%s", what, length > 2000 ? log + length - 2000 : log);
	return -1;
}

static void kernel_begin(struct kernel *k, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, mmapable, .map_flags = BPF_F_MMAPABLE);
	uint32_t index = TAIL_INDEX;

	*k = (struct kernel){ .flags = flags, .program = -1 };
	k->tail_map = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "weir_tail", 4, 4, TAIL_SLOTS, NULL);
	k->counter_map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "weir_count", 4, COUNTER_BYTES, 1,
					&mmapable);
	assert_true(k->tail_map >= 0 && k->counter_map >= 0);
	k->next = load_program(k, pass, array_count(pass), "the program behind");
	assert_int_equal(bpf_map_update_elem(k->tail_map, &index, &k->next, BPF_ANY), 0);
	k->ends = (struct kernel_filter_ends){
		.tail_map_fd = k->tail_map,
		.tail_index = TAIL_INDEX,
		.counter_map_fd = k->counter_map,
		.counter_offset = COUNTER_OFFSET,
		.counter_stride_bytes = COUNTER_STRIDE_BYTES,
		.counter_bytes = COUNTER_BYTES,
		.refused = XDP_DROP,
		.failed = XDP_ABORTED,
	};
}

static void kernel_load(struct kernel *k, const char *expression)
{
	struct bpf_insn *insn;
	int code = kernel_filter_translate(expression, &k->ends, &insn, &k->insns);

	if (code != 0)
		fail_msg("not translated, %s: %s", strerror(-code), expression);
	if (k->program >= 0)
		close(k->program);
	k->program = load_program(k, insn, k->insns, expression);
	free(insn);
}

static void kernel_end(struct kernel *k)
{
	if (k->program >= 0)
		close(k->program);
	close(k->next);
	close(k->tail_map);
	close(k->counter_map);
}

/* kernel_answer - the XDP action for a frame. `linear_bytes` of it are in the first buffer; 0: as
 * the kernel likes. Returns -1 if the kernel cannot do that. */
static int kernel_answer(const struct kernel *k, const uint8_t *frame, uint32_t bytes,
			 uint32_t linear_bytes)
{
	struct xdp_md context = { .data_end = linear_bytes };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = bytes, .repeat = 1);

	if (linear_bytes != 0) {
		opts.ctx_in = &context;
		opts.ctx_size_in = sizeof(context);
	}
	if (bpf_prog_test_run_opts(k->program, &opts) != 0)
		return -1;
	return (int)opts.retval;
}

static uint64_t kernel_refused(const struct kernel *k)
{
	static uint8_t value[COUNTER_BYTES];
	uint32_t zero = 0;
	uint64_t sum = 0, other = 0;

	assert_int_equal(bpf_map_lookup_elem(k->counter_map, &zero, value), 0);
	for (uint32_t at = 0; at < COUNTER_BYTES; at += 8) {
		uint64_t count;

		memcpy(&count, value + at, sizeof(count));
		if (at % COUNTER_STRIDE_BYTES == COUNTER_OFFSET)
			sum += count;
		else
			other |= count;
	}
	assert_int_equal(other, 0);
	return sum;
}

/* compare - the kernel's answer for the first `bytes` of a frame with bpf_filter()'s. Returns
 * whether it was refused. */
static bool compare(const struct kernel *k, const struct bpf_program *p, const char *expression,
		    const uint8_t *frame, uint32_t bytes)
{
	bool accepted = bpf_filter(p->bf_insns, frame, bytes, bytes) != 0;
	int answer = kernel_answer(k, frame, bytes, 0);

	if (answer != (accepted ? XDP_PASS : XDP_DROP))
		fail_msg("\"%s\": %d instead of %s for %u bytes", expression, answer,
			 accepted ? "XDP_PASS" : "XDP_DROP", bytes);
	return !accepted;
}

static uint64_t compare_all(struct kernel *k, const char *expression, uint32_t step)
{
	struct bpf_program p = compiled(expression);
	struct capture *c = frames();
	uint64_t refused = 0;

	kernel_load(k, expression);
	for (uint32_t i = 0; i < c->count; i++)
		for (uint32_t cut = 0; cut + SHORTEST <= c->packet[i].wire_bytes; cut += step)
			refused += compare(k, &p, expression, c->packet[i].at,
					   c->packet[i].wire_bytes - cut);
	pcap_freecode(&p);
	return refused;
}

static void every_expression_answers_as_in_user_space(uint32_t flags)
{
	struct kernel k;
	uint64_t refused = 0;

	if (!can_load())
		skip();
	kernel_begin(&k, flags);
	for (uint32_t i = 0; i < array_count(expressions); i++) {
		refused += compare_all(&k, expressions[i], 1);
		assert_int_equal(kernel_refused(&k), refused);
	}
	assert_true(refused > 1000);
	kernel_end(&k);
}

static void xdp_answers_as_bpf_filter(void **state)
{
	(void)state;
	every_expression_answers_as_in_user_space(0);
}

static void xdp_with_several_buffers_answers_as_bpf_filter(void **state)
{
	(void)state;
	every_expression_answers_as_in_user_space(BPF_F_XDP_HAS_FRAGS);
}

static void long_expressions_pass_the_verifier(void **state)
{
	struct kernel k;

	(void)state;
	if (!can_load())
		skip();
	kernel_begin(&k, 0);
	for (uint32_t count = 50; count <= 200; count *= 2) {
		char *text = or_list(count);
		uint64_t before = kernel_refused(&k), refused = compare_all(&k, text, 7);

		assert_true(refused > 0);
		assert_int_equal(kernel_refused(&k) - before, refused);
		free(text);
	}
	char *text = sum(1400); /* jumps over nearly all of the 16 bits */

	assert_true(compare_all(&k, text, 7) > 0);
	assert_in_range(k.insns, 25000, INT16_MAX);
	free(text);
	kernel_end(&k);
}

/* ---- frames in several buffers ---- */

static void bytes_of_further_buffers_are_fetched(void **state)
{
	static const char *const far[] = {
		"ether[5000] = 0x88",
		"ether[5000:2] = 0x8889",
		"ether[5000:4] = 0x88898a8b",
		"ether[ether[0:2]:4] = 0x88898a8b",
		"ether[len - 1] = 0x6f",
		"ether[len - 2:4] >= 0",
		"ether[6000] >= 0",
		"ether[5999] >= 0",
		"len = 6000",
		"greater 6001",
	};
	static uint8_t frame[6000];
	struct kernel k;

	(void)state;
	if (!can_load())
		skip();
	for (uint32_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)i;
	frame[0] = 5000 >> 8;
	frame[1] = 5000 & 0xff;
	kernel_begin(&k, BPF_F_XDP_HAS_FRAGS);
	for (uint32_t i = 0; i < array_count(far); i++) {
		struct bpf_program p = compiled(far[i]);

		kernel_load(&k, far[i]);
		compare(&k, &p, far[i], frame, sizeof(frame));
		/* The first buffer ends before 4096 bytes, somewhere. */
		for (uint32_t bytes = 3000; bytes < 4200; bytes++)
			compare(&k, &p, far[i], frame, bytes);
		pcap_freecode(&p);
	}
	kernel_end(&k);
}

static void headers_may_lie_across_buffers(void **state)
{
	struct capture *c = frames();
	struct kernel k;

	(void)state;
	if (!can_load())
		skip();
	kernel_begin(&k, BPF_F_XDP_HAS_FRAGS);
	kernel_load(&k, "ip");
	if (kernel_answer(&k, c->packet[2].at, c->packet[2].wire_bytes, 14) < 0) {
		kernel_end(&k);
		print_message("the kernel cannot try a program on a frame cut anywhere\n");
		skip();
	}
	for (uint32_t i = 0; i < array_count(expressions); i++) {
		struct bpf_program p = compiled(expressions[i]);

		kernel_load(&k, expressions[i]);
		for (uint32_t n = 0; n < c->count; n++) {
			const struct captured *f = &c->packet[n];
			bool accepted = bpf_filter(p.bf_insns, f->at, f->wire_bytes,
						   f->wire_bytes) != 0;

			for (uint32_t linear = SHORTEST; linear < f->wire_bytes; linear++)
				if (kernel_answer(&k, f->at, f->wire_bytes, linear) !=
				    (accepted ? XDP_PASS : XDP_DROP))
					fail_msg("\"%s\": frame %u, %u bytes in the first buffer",
						 expressions[i], n, linear);
		}
		pcap_freecode(&p);
	}
	kernel_end(&k);
}

/* ---- the ends ---- */

static void without_a_counter_frames_are_refused_all_the_same(void **state)
{
	struct capture *c = frames();
	struct kernel k;

	(void)state;
	if (!can_load())
		skip();
	kernel_begin(&k, 0);
	k.ends.counter_map_fd = -1;
	k.ends.refused = XDP_TX;
	kernel_load(&k, "udp");
	assert_int_equal(kernel_answer(&k, c->packet[0].at, c->packet[0].wire_bytes, 0), XDP_TX);
	assert_int_equal(kernel_answer(&k, c->packet[3].at, c->packet[3].wire_bytes, 0), XDP_PASS);
	assert_int_equal(kernel_refused(&k), 0);
	kernel_end(&k);
}

static void without_a_program_behind_the_answer_is_failed(void **state)
{
	struct capture *c = frames();
	struct kernel k;

	(void)state;
	if (!can_load())
		skip();
	kernel_begin(&k, 0);
	k.ends.tail_index = 1;
	k.ends.failed = XDP_TX;
	kernel_load(&k, "tcp");
	assert_int_equal(kernel_answer(&k, c->packet[0].at, c->packet[0].wire_bytes, 0), XDP_TX);
	k.ends.tail_index = TAIL_SLOTS;
	kernel_load(&k, "tcp");
	assert_int_equal(kernel_answer(&k, c->packet[0].at, c->packet[0].wire_bytes, 0), XDP_TX);
	assert_int_equal(kernel_refused(&k), 0);
	kernel_end(&k);
}

/* refused_on - how many of ten refused frames are counted on a processor. */
static uint64_t refused_on(const struct kernel *k, const cpu_set_t *cpu)
{
	const struct captured *f = &frames()->packet[0];
	uint64_t before = kernel_refused(k);

	assert_int_equal(sched_setaffinity(0, sizeof(*cpu), cpu), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(kernel_answer(k, f->at, f->wire_bytes, 0), XDP_DROP);
	return kernel_refused(k) - before;
}

static void processors_beyond_the_counters_are_not_counted(void **state)
{
	cpu_set_t all, one;
	struct kernel k;

	(void)state;
	if (!can_load())
		skip();
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	kernel_begin(&k, 0);
	/* Room for the first processor and half a counter for the second. */
	k.ends.counter_offset = COUNTER_BYTES - 2 * COUNTER_STRIDE_BYTES + COUNTER_OFFSET;
	k.ends.counter_stride_bytes = COUNTER_BYTES - k.ends.counter_offset - 4;
	kernel_load(&k, "udp");
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(refused_on(&k, &one), cpu == 0 ? 10 : 0);
	}
	sched_setaffinity(0, sizeof(all), &all);
	kernel_end(&k);
}

/* ---- the packet socket ---- */

/* socket_accepts - what the program says where the kernel has taken the tag out, or has not. */
static bool socket_accepts(const struct sock_fprog *p, bool tag_taken, const uint8_t *frame,
			   uint32_t bytes)
{
	const struct sock_filter *f = p->filter;

	/* The prefix by its three instructions: libpcap's interpreter has no such data. */
	assert_int_equal(f[0].code, BPF_LD | BPF_W | BPF_ABS);
	assert_int_equal(f[0].k, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
	assert_int_equal(f[1].code, BPF_JMP | BPF_JEQ | BPF_K);
	assert_int_equal(f[2].code, BPF_RET | BPF_K);
	f += 2 + (tag_taken == f[1].k ? f[1].jt : f[1].jf);
	return bpf_filter(f, frame, bytes, bytes) != 0;
}

/* socket_passes - does a frame, sent as a datagram, come through? */
static bool socket_passes(const int pair[2], const uint8_t *frame, uint32_t bytes)
{
	uint8_t seen[FRAME_BYTES_MAX];
	ssize_t n;

	assert_int_equal(send(pair[0], frame, bytes, MSG_DONTWAIT), bytes);
	n = recv(pair[1], seen, sizeof(seen), MSG_DONTWAIT);
	assert_true(n < 0 || (n == (ssize_t)bytes && memcmp(seen, frame, bytes) == 0));
	return n >= 0;
}

/* compare_socket - `exact`: with the same answers. Otherwise the kernel may also accept where an
 * offset wraps around, which it takes for a small one. */
static void compare_socket(const char *expression, const struct sock_fprog *program, bool exact)
{
	struct bpf_program p = compiled(expression);
	struct capture *c = frames();
	int pair[2];

	assert_int_equal(program->len, p.bf_len + PREFIX_INSNS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	if (setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_FILTER, program, sizeof(*program)) != 0)
		fail_msg("not attached, %s: %s", strerror(errno), expression);
	for (uint32_t i = 0; i < c->count; i++) {
		const uint8_t *at = c->packet[i].at;

		for (uint32_t bytes = 1; bytes <= c->packet[i].wire_bytes; bytes++) {
			bool accepted = bpf_filter(p.bf_insns, at, bytes, bytes) != 0;

			assert_true(socket_accepts(program, true, at, bytes));
			assert_int_equal(socket_accepts(program, false, at, bytes), accepted);
			bool passed = socket_passes(pair, at, bytes);

			if (exact ? passed != accepted : passed < accepted)
				fail_msg("\"%s\": frame %u, %u bytes, should be %s", expression, i,
					 bytes, accepted ? "accepted" : "refused");
		}
	}
	close(pair[0]);
	close(pair[1]);
	pcap_freecode(&p);
}

static void sockets_answer_as_bpf_filter_and_take_what_has_lost_its_tag(void **state)
{
	uint32_t filtered = 0;

	(void)state;
	for (uint32_t i = 0; i < array_count(expressions); i++) {
		struct sock_fprog program;
		int code = kernel_filter_socket(expressions[i], &program);

		if (code == -ENODATA)
			continue;
		assert_int_equal(code, 0);
		compare_socket(expressions[i], &program, true);
		free(program.filter);
		filtered++;
	}
	assert_true(filtered >= array_count(expressions) - 4);
}

static void what_the_kernel_understands_differently_is_not_filtered_there(void **state)
{
	/* Shifts by more than 31, the numbers where the kernel has its ancillary data, loops. */
	static const char *const different[] = {
		"ether[20:4] << ether[14] > 5",
		"ether[20:4] >> ether[14] = 0",
		"ether[4294963248] = 0",
		"ether[4294967295] = 0",
		"inbound",
		"ip6 protochain 6",
	};
	struct sock_fprog program;

	(void)state;
	for (uint32_t i = 0; i < array_count(different); i++)
		assert_int_equal(kernel_filter_socket(different[i], &program), -ENODATA);
}

static void socket_programs_end_at_the_kernels_limit(void **state)
{
	struct sock_fprog program = { .len = 7, .filter = NULL };
	uint32_t longest = 0;

	(void)state;
	for (uint32_t count = 810; count <= 830; count++) {
		char *text = sum(count);
		struct bpf_program p = compiled(text);
		int code = kernel_filter_socket(text, &program);

		assert_int_equal(code, p.bf_len + PREFIX_INSNS <= BPF_MAXINSNS ? 0 : -E2BIG);
		if (code == 0) {
			longest = program.len;
			free(program.filter);
			program = (struct sock_fprog){ .len = 7, .filter = NULL };
		}
		assert_int_equal(program.len, 7); /* untouched by a refusal */
		pcap_freecode(&p);
		free(text);
	}
	assert_in_range(longest, BPF_MAXINSNS - 10, BPF_MAXINSNS);
}

/* ---- refusals ---- */

static const struct kernel_filter_ends no_ends = { .counter_map_fd = -1 };

static void what_makes_no_sense_is_not_filtered(void **state)
{
	static const char *const senseless[] = {
		NULL, "", "no such thing", "wlan type mgt", "tcp and udp", "tcp and udp and"
	};
	struct sock_fprog program;
	struct bpf_insn *insn;
	uint32_t count;

	(void)state;
	for (uint32_t i = 0; i < array_count(senseless); i++) {
		assert_int_equal(kernel_filter_socket(senseless[i], &program), -ENODATA);
		assert_int_equal(kernel_filter_translate(senseless[i], &no_ends, &insn, &count),
				 -ENODATA);
	}
}

static void loops_and_ancillary_data_have_no_equal_in_xdp(void **state)
{
	static const char *const unequal[] = { "ip6 protochain 6", "inbound", "outbound and tcp",
					       "ether[4294963248] = 0",
					       "not ether[4294967295] = 0" };
	struct bpf_insn *insn = NULL;
	uint32_t count = 7;

	(void)state;
	for (uint32_t i = 0; i < array_count(unequal); i++)
		assert_int_equal(kernel_filter_translate(unequal[i], &no_ends, &insn, &count),
				 -EOPNOTSUPP);
	assert_null(insn);
	assert_int_equal(count, 7);
}

static void what_is_too_long_is_refused(void **state)
{
	/* Jumps that are too far, and more instructions than there is room for. */
	static const uint32_t terms[] = { 1700, 2000, 3000, 5000 };
	struct bpf_insn *insn = NULL;
	uint32_t count = 7;

	(void)state;
	for (uint32_t i = 0; i < array_count(terms); i++) {
		char *text = sum(terms[i]);

		assert_int_equal(kernel_filter_translate(text, &no_ends, &insn, &count), -E2BIG);
		assert_null(insn);
		assert_int_equal(count, 7);
		free(text);
	}
}

/* ---- what nobody thought of ---- */

static const char *one_of(uint64_t *seed, const char *const *words, uint32_t count)
{
	return words[next_random(seed) % count];
}

static void put_number(FILE *to, uint64_t *seed)
{
	static const char *const numbers[] = { "0",  "1",   "2",      "3",          "4",
					       "14", "31",  "32",     "40",         "0xf0",
					       "80", "255", "0x1fff", "0x7fffffff", "0xffffffff" };

	fputs(one_of(seed, numbers, array_count(numbers)), to);
}

static void put_arithmetic(FILE *to, uint64_t *seed, uint32_t depth)
{
	static const char *const header[] = { "ether", "ip", "tcp", "udp", "ip6", "icmp" };
	static const char *const size[] = { "", ":1", ":2", ":4" };
	static const char *const operator[] = {
		"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"
	};
	uint64_t choice = next_random(seed) % 8;

	if (choice == 0 || depth == 0) {
		put_number(to, seed);
	} else if (choice == 1) {
		fputs("len", to);
	} else if (choice < 5) {
		fprintf(to, "%s[", one_of(seed, header, array_count(header)));
		put_arithmetic(to, seed, depth - 1);
		fprintf(to, "%s]", one_of(seed, size, array_count(size)));
	} else {
		fputc('(', to);
		put_arithmetic(to, seed, depth - 1);
		fprintf(to, " %s ", one_of(seed, operator, array_count(operator)));
		put_arithmetic(to, seed, depth - 1);
		fputc(')', to);
	}
}

static void put_expression(FILE *to, uint64_t *seed, uint32_t depth)
{
	static const char *const relation[] = { "=", "!=", "<", ">", "<=", ">=" };
	static const char *const connective[] = { "and", "or" };
	uint64_t choice = next_random(seed) % 8;

	if (depth == 0 || choice == 0) {
		fprintf(to, "(%s)", expressions[next_random(seed) % array_count(expressions)]);
	} else if (choice < 4) {
		fputc('(', to);
		put_arithmetic(to, seed, 3);
		fprintf(to, " %s ", one_of(seed, relation, array_count(relation)));
		put_arithmetic(to, seed, 3);
		fputc(')', to);
	} else if (choice == 4) {
		fputs("not ", to);
		put_expression(to, seed, depth - 1);
	} else {
		fputc('(', to);
		put_expression(to, seed, depth - 1);
		fprintf(to, " %s ", one_of(seed, connective, array_count(connective)));
		put_expression(to, seed, depth - 1);
		fputc(')', to);
	}
}

static char *random_expression(uint64_t *seed)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	put_expression(to, seed, 3);
	fclose(to);
	return text;
}

static bool has_ancillary(const struct bpf_program *p)
{
	for (uint32_t i = 0; i < p->bf_len; i++)
		if ((p->bf_insns[i].code & ~BPF_SIZE(0xff)) == (BPF_LD | BPF_ABS) &&
		    p->bf_insns[i].k > INT32_MAX)
			return true;
	return false;
}

/* try_random - Returns whether it was an expression that XDP can answer. */
static bool try_random(struct kernel *k, const char *text)
{
	struct bpf_insn *insn;
	struct bpf_program p;
	uint32_t count;
	int wanted = -ENODATA;

	if (pcap_takes(text, &p)) {
		wanted = has_ancillary(&p) ? -EOPNOTSUPP : 0;
		pcap_freecode(&p);
	}
	if (wanted == 0)
		compare_all(k, text, 11);
	else
		assert_int_equal(kernel_filter_translate(text, &k->ends, &insn, &count), wanted);
	return wanted == 0;
}

static void random_expressions_answer_as_bpf_filter(void **state)
{
	const char *given = getenv("WEIR_RANDOM_EXPRESSIONS");
	uint32_t tried = given != NULL ? (uint32_t)strtoul(given, NULL, 10) : 400, answered = 0;
	uint64_t seed = 20250101;
	struct kernel k;

	(void)state;
	if (!can_load())
		skip();
	kernel_begin(&k, BPF_F_XDP_HAS_FRAGS);
	for (uint32_t i = 0; i < tried; i++) {
		char *text = random_expression(&seed);

		answered += try_random(&k, text);
		free(text);
	}
	assert_true(answered > tried / 2);
	kernel_end(&k);
}

static void random_expressions_in_sockets_refuse_no_more_than_bpf_filter(void **state)
{
	uint64_t seed = 20250102;
	uint32_t filtered = 0, tried = 200;

	(void)state;
	for (uint32_t i = 0; i < tried; i++) {
		char *text = random_expression(&seed);
		struct sock_fprog program;

		if (kernel_filter_socket(text, &program) == 0) {
			compare_socket(text, &program, false);
			free(program.filter);
			filtered++;
		}
		free(text);
	}
	assert_true(filtered > tried / 4);
}

/* ---- by hand ---- */

static void a_typical_filter_and_its_cost(void **state)
{
	static const char *const typical[] = { "tcp port 80", "udp port 53", "host 10.0.0.2",
					       "tcp" };
	const struct captured *f = &frames()->packet[2];
	struct kernel k;

	(void)state;
	if (getenv("WEIR_PRINT_COST") == NULL || !can_load())
		skip();
	kernel_begin(&k, 0);
	for (uint32_t i = 0; i < array_count(typical); i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->at,
			    .data_size_in = f->wire_bytes, .repeat = 5000000);

		kernel_load(&k, typical[i]);
		assert_int_equal(bpf_prog_test_run_opts(k.program, &opts), 0);
		print_message("%s: %u instructions, answer %u, %u ns\n", typical[i], k.insns,
			      opts.retval, opts.duration);
		opts.retval = 0;
	}
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->at, .data_size_in = f->wire_bytes,
		    .repeat = 5000000);
	assert_int_equal(bpf_prog_test_run_opts(k.next, &opts), 0);
	print_message("nothing: 2 instructions, %u ns\n", opts.duration);
	kernel_end(&k);
}

static int forget_frames(void **state)
{
	(void)state;
	capture_fini(frames());
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xdp_answers_as_bpf_filter),
		cmocka_unit_test(xdp_with_several_buffers_answers_as_bpf_filter),
		cmocka_unit_test(long_expressions_pass_the_verifier),
		cmocka_unit_test(bytes_of_further_buffers_are_fetched),
		cmocka_unit_test(headers_may_lie_across_buffers),
		cmocka_unit_test(without_a_counter_frames_are_refused_all_the_same),
		cmocka_unit_test(without_a_program_behind_the_answer_is_failed),
		cmocka_unit_test(processors_beyond_the_counters_are_not_counted),
		cmocka_unit_test(sockets_answer_as_bpf_filter_and_take_what_has_lost_its_tag),
		cmocka_unit_test(what_the_kernel_understands_differently_is_not_filtered_there),
		cmocka_unit_test(socket_programs_end_at_the_kernels_limit),
		cmocka_unit_test(what_makes_no_sense_is_not_filtered),
		cmocka_unit_test(loops_and_ancillary_data_have_no_equal_in_xdp),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(random_expressions_answer_as_bpf_filter),
		cmocka_unit_test(random_expressions_in_sockets_refuse_no_more_than_bpf_filter),
		cmocka_unit_test(a_typical_filter_and_its_cost),
	};
	return cmocka_run_group_tests(tests, NULL, forget_frames);
}
