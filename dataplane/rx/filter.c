/* filter - the user's libpcap filter expression, run on every frame. */
#include "dataplane/rx/filter.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <pcap/pcap.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

/* The link types that decode knows. Those of capture files and those of libpcap's compiler
 * have the same numbers but for raw IP. Ethernet first: its complaint is the one that is shown. */
static const struct link_pair {
	uint16_t link;
	int dlt;
} known[] = {
	{ LINK_ETHERNET, DLT_EN10MB },
	{ LINK_NULL, DLT_NULL },
	{ LINK_PPP, DLT_PPP },
	{ LINK_RAW_OLD, DLT_RAW },
	{ LINK_RAW_OPENBSD, DLT_RAW },
	{ LINK_PPP_HDLC, DLT_PPP_SERIAL },
	{ LINK_PPP_ETHER, DLT_PPP_ETHER },
	{ LINK_RAW, DLT_RAW },
	{ LINK_CISCO_HDLC, DLT_C_HDLC },
	{ LINK_IEEE80211, DLT_IEEE802_11 },
	{ LINK_LOOP, DLT_LOOP },
	{ LINK_LINUX_SLL, DLT_LINUX_SLL },
	{ LINK_IEEE80211_RADIOTAP, DLT_IEEE802_11_RADIO },
	{ LINK_IPV4, DLT_IPV4 },
	{ LINK_IPV6, DLT_IPV6 },
	{ LINK_LINUX_SLL2, DLT_LINUX_SLL2 },
};
static_assert(array_count(known) <= FILTER_LINKS, "every link type has its program");

/* The compiler needs a snap length only as the value that an accepting program returns. */
enum { ACCEPT_BYTES = 262144 };
#define KERNEL_OFFSETS UINT32_C(0xfffff000) /* SKF_AD_OFF */

struct filter_program {
	uint16_t link;
	struct bpf_program bpf; /* of a link type for which the expression makes no sense: empty */
};

/* Loads at offsets from SKF_AD_OFF on ask the kernel what is not in the frame: `inbound`,
 * `outbound`. Run here, they would refuse every frame without a word. */
static bool asks_the_kernel(const struct bpf_program *p)
{
	for (uint32_t i = 0; i < p->bf_len; i++)
		if (BPF_CLASS(p->bf_insns[i].code) == BPF_LD &&
		    BPF_MODE(p->bf_insns[i].code) == BPF_ABS && p->bf_insns[i].k >= KERNEL_OFFSETS)
			return true;
	return false;
}

/* program_compile - Returns: 0; -EINVAL with libpcap's words in err; -ENOMEM. */
static int program_compile(const char *expression, struct link_pair to, struct filter_program *ret,
			   struct rx_error *err)
{
	pcap_t *dead = pcap_open_dead(to.dlt, ACCEPT_BYTES);
	int failed;

	*ret = (struct filter_program){ .link = to.link };
	if (dead == NULL)
		return -ENOMEM;
	failed = pcap_compile(dead, &ret->bpf, expression, 1, PCAP_NETMASK_UNKNOWN);
	if (failed != 0) {
		ret->bpf = (struct bpf_program){ 0 };
		snprintf(err->text, sizeof(err->text), "filter: %s; see pcap-filter(7)",
			 pcap_geterr(dead));
	}
	pcap_close(dead);
	if (failed == 0 && asks_the_kernel(&ret->bpf)) {
		pcap_freecode(&ret->bpf);
		ret->bpf = (struct bpf_program){ 0 };
		snprintf(err->text, sizeof(err->text),
			 "filter: in which direction a frame went is not in the frame; inbound, "
			 "outbound and "
			 "the like are not supported");
		failed = -1;
	}
	return failed != 0 ? -EINVAL : 0;
}

static struct filter_program *program_build(const char *expression, struct link_pair to,
					    int *ret_err, struct rx_error *err)
{
	struct filter_program *p = malloc(sizeof(*p));

	*ret_err = -ENOMEM;
	if (p != NULL)
		*ret_err = program_compile(expression, to, p, err);
	if (*ret_err == -ENOMEM) {
		free(p);
		return NULL;
	}
	return p;
}

static bool is_empty(const char *expression)
{
	return expression == NULL || expression[0] == 0;
}

int filter_init(struct filter *f, const char *expression, uint32_t worker, uint32_t workers,
		struct counters *counters, struct rx_error *err)
{
	struct rx_error first = { "" }, other;
	bool makes_sense = false;

	ENSURE(workers > 0);
	*f = (struct filter){
		.expression = expression,
		.worker = worker,
		.workers = workers,
		.counters = counters,
	};
	for (uint32_t i = 0; !is_empty(expression) && i < array_count(known); i++) {
		int code;

		f->program[i] = program_build(expression, known[i], &code,
					      i == 0 ? &first : &other);
		if (f->program[i] == NULL) {
			filter_fini(f);
			snprintf(err->text, sizeof(err->text),
				 "there is no memory to compile the filter");
			return code;
		}
		f->program_count++;
		makes_sense |= code == 0;
	}
	if (makes_sense || is_empty(expression))
		return 0;
	filter_fini(f);
	*err = first;
	return -EINVAL;
}

void filter_fini(struct filter *f)
{
	for (uint32_t i = 0; i < f->program_count; i++) {
		pcap_freecode(&f->program[i]->bpf);
		free(f->program[i]);
	}
	*f = (struct filter){ 0 };
}

int filter_check(const char *expression, struct rx_error *err)
{
	struct filter f;
	int code = filter_init(&f, expression, 0, 1, NULL, err);

	if (code == 0)
		filter_fini(&f);
	return code;
}

int filter_check_live(const char *expression, struct rx_error *err)
{
	static const struct link_pair live[] = { { LINK_ETHERNET, DLT_EN10MB },
						 { LINK_RAW, DLT_RAW } };
	struct rx_error other;
	int code = 0;

	for (size_t i = 0; i < array_count(live); i++) {
		struct filter_program p;

		code = program_compile(expression, live[i], &p, i == 0 ? err : &other);
		if (code == 0) {
			pcap_freecode(&p.bpf);
			return 0;
		}
	}
	return code;
}

/* program_of - NULL: nothing of this link type is selected. */
static const struct filter_program *program_of(const struct filter *f, uint16_t link)
{
	for (uint32_t i = 0; i < f->program_count; i++)
		if (f->program[i]->link == link)
			return f->program[i]->bpf.bf_insns != NULL ? f->program[i] : NULL;
	return NULL;
}

static bool selects(const struct filter_program *p, const struct packet *packet)
{
	return p != NULL && bpf_filter(p->bpf.bf_insns, packet->frame, packet->wire_bytes,
				       packet->caplen_bytes) != 0;
}

static void drop(struct filter *f, const struct packet *packet)
{
	if (packet->number % f->workers != f->worker)
		return;
	count(f->counters, received);
	count_by(f->counters, received_bytes, packet->caplen_bytes);
	count(f->counters, filtered);
}

void filter_burst(struct filter *f, struct burst *b)
{
	const struct filter_program *program = NULL;
	uint32_t kept = 0;
	int link = -1; /* that `program` is for: captures rarely mix them */

	if (f->program_count == 0)
		return;
	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = &b->packet[i];

		if (p->link != link) {
			link = p->link;
			program = program_of(f, p->link);
		}
		if (!selects(program, p)) {
			drop(f, p);
			continue;
		}
		if (kept != i)
			b->packet[kept] = *p;
		kept++;
	}
	b->count = kept;
}
