/* fanout - groups of packet sockets, and the program that chooses among them. */
#include "dataplane/rx/fanout.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

enum { GROUPS = 16 /* remembered until their last worker has joined */ };

/* ---- the program ---- */

/* It is put together of blocks; each is entered at its top and left at its bottom. Loads count from
 * X. A frame that comes in begins at its network header, one that goes out at its Ethernet header;
 * a tag that the kernel has taken out is not there. A load behind the end gives 0, the first
 * worker.
 *
 * Cells of memory: the addresses so far; where the network header is; anything. */
enum { ADDRESSES, NETWORK, SPARE };
enum { TAGS = 4, EXTENSIONS = 6, IP6_BYTES = 40, TYPE_QINQ_OLD = 0x9100 };
enum { IP4_FRAGMENT = 0x3fff, IP6_FRAGMENT = 0xfff9 };

/* clang-format off */
#define LOAD_8(k)         BPF_STMT(BPF_LD | BPF_B | BPF_IND, k)
#define LOAD_16(k)        BPF_STMT(BPF_LD | BPF_H | BPF_IND, k)
#define LOAD_32(k)        BPF_STMT(BPF_LD | BPF_W | BPF_IND, k)
#define LOAD_ABOUT(what)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + (what)))
#define CONSTANT(k)       BPF_STMT(BPF_LD | BPF_IMM, k)
#define X_CONSTANT(k)     BPF_STMT(BPF_LDX | BPF_IMM, k)
#define RECALL(cell)      BPF_STMT(BPF_LD | BPF_MEM, cell)
#define X_RECALL(cell)    BPF_STMT(BPF_LDX | BPF_MEM, cell)
#define KEEP(cell)        BPF_STMT(BPF_ST, cell)
#define X_KEEP(cell)      BPF_STMT(BPF_STX, cell)
#define ADD(k)            BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, k)
#define AND(k)            BPF_STMT(BPF_ALU | BPF_AND | BPF_K, k)
#define SHIFT_LEFT(k)     BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, k)
#define SHIFT_RIGHT(k)    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, k)
#define MULTIPLY(k)       BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, k)
#define ADD_X             BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0)
#define XOR_X             BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)
#define TO_X              BPF_STMT(BPF_MISC | BPF_TAX, 0)
#define FROM_X            BPF_STMT(BPF_MISC | BPF_TXA, 0)
#define SKIP(n)           BPF_STMT(BPF_JMP | BPF_JA, n)
#define IF(k, yes, no)    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no) /* skips so many */
#define IF_ANY(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, k, yes, no)
#define ANSWER            BPF_STMT(BPF_RET | BPF_A, 0)

/* X: what lies behind the type. A: the type. */
static const struct sock_filter begin_ethernet[] = {
	LOAD_ABOUT(SKF_AD_PKTTYPE),
	IF(PACKET_OUTGOING, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct ethhdr, h_proto)),
		X_CONSTANT(ETH_HLEN),
		SKIP(2),
	LOAD_ABOUT(SKF_AD_PROTOCOL),
	X_CONSTANT(0),
};
static const struct sock_filter begin_plain[] = { LOAD_ABOUT(SKF_AD_PROTOCOL), X_CONSTANT(0) };

/* The same, behind one tag if there is one. */
static const struct sock_filter tag[] = {
	IF(ETH_P_8021Q, 2, 0),
	IF(ETH_P_8021AD, 1, 0),
	IF(TYPE_QINQ_OLD, 0, 6),
		LOAD_16(2), KEEP(SPARE), FROM_X, ADD(4), TO_X, RECALL(SPARE),
};

/* A: the protocol, NONE if ports do not count. X: its header. */
#define NONE IPPROTO_NONE
static const struct sock_filter ip4[] = {
	X_KEEP(NETWORK),
	LOAD_32(12), KEEP(ADDRESSES), LOAD_32(16), X_RECALL(ADDRESSES), XOR_X, KEEP(ADDRESSES), X_RECALL(NETWORK),
	LOAD_16(6),
	IF_ANY(IP4_FRAGMENT, 9, 0),
		LOAD_8(9), KEEP(SPARE),
		LOAD_8(0), AND(15), SHIFT_LEFT(2), ADD_X, TO_X,
		RECALL(SPARE),
	SKIP(1),
	CONSTANT(NONE),
};
#define IP6_WORD(n) LOAD_32(8 + 4 * (n)), X_RECALL(ADDRESSES), XOR_X, KEEP(ADDRESSES), X_RECALL(NETWORK)
static const struct sock_filter ip6[] = {
	X_KEEP(NETWORK),
	LOAD_32(8), KEEP(ADDRESSES),
	IP6_WORD(1), IP6_WORD(2), IP6_WORD(3), IP6_WORD(4), IP6_WORD(5), IP6_WORD(6), IP6_WORD(7),
	LOAD_8(6), KEEP(SPARE), FROM_X, ADD(IP6_BYTES), TO_X, RECALL(SPARE),
};

/* One extension header less, if A is one. What is called a fragment and is none goes on. */
static const struct sock_filter extension[] = {
	IF(IPPROTO_HOPOPTS, 4, 0),
	IF(IPPROTO_ROUTING, 3, 0),
	IF(IPPROTO_DSTOPTS, 2, 0),
	IF(IPPROTO_AH, 10, 0),
	IF(IPPROTO_FRAGMENT, 18, 28),
		/* in units of 8 bytes, the first not counted */
		LOAD_8(0), KEEP(SPARE), LOAD_8(1), ADD(1), SHIFT_LEFT(3), ADD_X, TO_X, RECALL(SPARE),
		SKIP(19),
		/* in units of 4 bytes, the first two not counted */
		LOAD_8(0), KEEP(SPARE), LOAD_8(1), ADD(2), SHIFT_LEFT(2), ADD_X, TO_X, RECALL(SPARE),
		SKIP(10),
		/* 8 bytes; offset and "more" are both 0, or its ports do not count */
		LOAD_16(2),
		IF_ANY(IP6_FRAGMENT, 7, 0),
			LOAD_8(0), KEEP(SPARE), FROM_X, ADD(8), TO_X, RECALL(SPARE),
			SKIP(1),
		CONSTANT(NONE),
};

/* The number: PORTS is 0 where there are none. The factors follow when it is put together. */
static const struct sock_filter ports[] = {
	IF(IPPROTO_TCP, 1, 0),
	IF(IPPROTO_UDP, 0, 6),
		LOAD_16(0), KEEP(SPARE), LOAD_16(2), X_RECALL(SPARE), XOR_X,
	SKIP(1),
	CONSTANT(0),
};
/* clang-format on */

struct built {
	struct sock_filter *at;
	uint16_t count;
};

static void put(struct built *b, const struct sock_filter *block, size_t count)
{
	ENSURE(b->count + count <= FANOUT_PROGRAM_MAX);
	memcpy(b->at + b->count, block, count * sizeof(*block));
	b->count += (uint16_t)count;
}

#define PUT(b, ...)                                                                                \
	do {                                                                                       \
		const struct sock_filter put_[] = { __VA_ARGS__ };                                 \
		put(b, put_, array_count(put_));                                                   \
	} while (0)

uint16_t fanout_program(struct spread s, bool ethernet, struct sock_filter ret[FANOUT_PROGRAM_MAX])
{
	const uint32_t ip6_all = array_count(ip6) + EXTENSIONS * array_count(extension);
	struct built b = { ret, 0 };

	if (ethernet)
		put(&b, begin_ethernet, array_count(begin_ethernet));
	else
		put(&b, begin_plain, array_count(begin_plain));
	for (int i = 0; i < TAGS; i++)
		put(&b, tag, array_count(tag));
	PUT(&b, IF(ETH_P_IP, 2, 0), IF(ETH_P_IPV6, 2 + array_count(ip4), 0),
	    BPF_STMT(BPF_RET | BPF_K, 0));
	put(&b, ip4, array_count(ip4));
	PUT(&b, SKIP(ip6_all));
	put(&b, ip6, array_count(ip6));
	for (int i = 0; i < EXTENSIONS; i++)
		put(&b, extension, array_count(extension));
	put(&b, ports, array_count(ports));
	PUT(&b, MULTIPLY(s.port), KEEP(SPARE), RECALL(ADDRESSES), MULTIPLY(s.address),
	    X_RECALL(SPARE), ADD_X, SHIFT_RIGHT(16), ANSWER);
	return b.count;
}

/* ---- groups ---- */

/* The group that the workers' ports of one source join. Opening happens in one thread, and the port
 * of worker 0 first: it asks the kernel for a number that nobody else uses. */
static struct group {
	int index; /* of the interface; 0: free */
	uint16_t number, type;
} group[GROUPS];

static int set(int fd, int option, const void *value, socklen_t bytes)
{
	return setsockopt(fd, SOL_PACKET, option, value, bytes) < 0 ? -errno : 0;
}

static int set_fanout(int fd, uint32_t number, uint32_t type)
{
	uint32_t value = number | type << 16;

	return set(fd, PACKET_FANOUT, &value, sizeof(value));
}

static struct group *group_find(int index)
{
	for (uint32_t i = 0; i < GROUPS; i++)
		if (group[i].index == index)
			return &group[i];
	return NULL;
}

/* Until the program is there all frames are worker 0's, who is alone in the group. */
static int set_program(int fd, struct spread s, bool ethernet)
{
	struct sock_filter filter[FANOUT_PROGRAM_MAX];
	struct sock_fprog program = { .len = fanout_program(s, ethernet, filter),
				      .filter = filter };

	return set(fd, PACKET_FANOUT_DATA, &program, sizeof(program));
}

static int found(int fd, int index, bool ethernet, const struct rx_open *how)
{
	struct group *g = group_find(index);
	uint16_t type = PACKET_FANOUT_CBPF;
	uint32_t value = 0;
	socklen_t bytes = sizeof(value);
	int code;

	if (g == NULL)
		g = group_find(0);
	if (g == NULL)
		return -ENOSPC;
	code = set_fanout(fd, 0, type | PACKET_FANOUT_FLAG_UNIQUEID);
	if (code == -EINVAL) {
		type = PACKET_FANOUT_HASH;
		code = set_fanout(fd, 0, type | PACKET_FANOUT_FLAG_UNIQUEID);
	} else if (code == 0) {
		code = set_program(fd, how->spread, ethernet);
	}
	if (code < 0)
		return code;
	if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &value, &bytes) < 0)
		return -errno;
	*g = (struct group){ .index = index, .number = (uint16_t)value, .type = type };
	return 0;
}

int fanout_join(int fd, int index, bool ethernet, const struct rx_open *how, uint8_t *ret_spread)
{
	struct group *g;
	int code = how->worker == 0 ? found(fd, index, ethernet, how) : 0;

	if (code < 0)
		return code;
	g = group_find(index);
	if (g == NULL)
		return -ENOENT;
	if (how->worker > 0)
		code = set_fanout(fd, g->number, g->type);
	*ret_spread = g->type == PACKET_FANOUT_CBPF ? RX_SPREAD_OWN : RX_SPREAD_SYMMETRIC;
	if (code == 0 && how->worker + 1 == how->workers)
		g->index = 0;
	return code;
}
