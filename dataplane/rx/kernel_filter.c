/* kernel_filter - the user's filter expression, run in the kernel.
 *
 * The translation for XDP goes over the classic program once, from the front. Where the
 * instructions of each classic one begin is noted, and jumps get their distances in the end.
 *
 *     R6   the context               stack  -4 * (i + 1)   M[i]
 *     R7   A                                -72            what a helper has loaded
 *     R8   X
 *     R0 to R5 are free between classic instructions
 *
 * A and X are 32 bits wide: every instruction that writes R7 or R8 clears the upper half.
 */
#include "dataplane/rx/kernel_filter.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/ensure.h"

/* libpcap's own struct bpf_insn would be in the way of the kernel's: what it compiles is described
 * here, and an instruction of it is a struct sock_filter, bit by bit. */
struct bpf_program {
	u_int bf_len;
	struct sock_filter *bf_insns;
};

#define PCAP_DONT_INCLUDE_PCAP_BPF_H
#include <pcap/dlt.h>
#include <pcap/pcap.h>

static_assert(sizeof(struct sock_filter) == 8, "classic instructions have one layout everywhere");

/* So much of an accepted frame is kept: all of it. */
enum { ACCEPT_BYTES = 262144 };

/* compile - Memory: pcap_freecode(ret). Returns: 0; -ENODATA; -ENOMEM. */
static int compile(const char *expression, struct bpf_program *ret)
{
	pcap_t *dead;
	int failed;

	if (expression == NULL || expression[0] == 0)
		return -ENODATA;
	dead = pcap_open_dead(DLT_EN10MB, ACCEPT_BYTES);
	if (dead == NULL)
		return -ENOMEM;
	failed = pcap_compile(dead, ret, expression, 1, 0xffffffff); /* the netmask is unknown */
	pcap_close(dead);
	return failed != 0 ? -ENODATA : 0;
}

static bool jumps_back(const struct sock_filter *i)
{
	return i->code == (BPF_JMP | BPF_JA) && i->k > INT32_MAX;
}

/* is_ancillary - a load from where only packet sockets have something: what `inbound` asks for. */
static bool is_ancillary(const struct sock_filter *i)
{
	return BPF_CLASS(i->code) == BPF_LD && BPF_MODE(i->code) == BPF_ABS && i->k > INT32_MAX;
}

/* ---- for a packet socket ---- */

/* kernel_may_refuse_more - Does the kernel understand this differently from bpf_filter(3), such
 * that it could refuse what that accepts? */
static bool kernel_may_refuse_more(const struct sock_filter *i)
{
	switch (i->code) {
	case BPF_ALU | BPF_LSH | BPF_X:
	case BPF_ALU | BPF_RSH | BPF_X:
		return true; /* by 32 and more: libpcap has 0, the kernel counts modulo 32 */
	case BPF_ALU | BPF_LSH | BPF_K:
	case BPF_ALU | BPF_RSH | BPF_K: return i->k >= 32;
	default: return is_ancillary(i) || jumps_back(i);
	}
}

static int socket_program(const struct bpf_program *classic, struct sock_fprog *ret)
{
	static const struct sock_filter prefix[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), /* A is 0 again, as it has to be */
		BPF_STMT(BPF_RET | BPF_K, ACCEPT_BYTES),
	};
	uint32_t count = (uint32_t)array_count(prefix) + classic->bf_len;
	struct sock_filter *filter;

	for (uint32_t i = 0; i < classic->bf_len; i++)
		if (kernel_may_refuse_more(&classic->bf_insns[i]))
			return -ENODATA;
	if (count > BPF_MAXINSNS)
		return -E2BIG;
	filter = malloc(count * sizeof(*filter));
	if (filter == NULL)
		return -ENOMEM;
	/* Jumps are relative, so the program may stand anywhere. */
	memcpy(filter, prefix, sizeof(prefix));
	memcpy(filter + array_count(prefix), classic->bf_insns, classic->bf_len * sizeof(*filter));
	*ret = (struct sock_fprog){ .len = (uint16_t)count, .filter = filter };
	return 0;
}

int kernel_filter_socket(const char *expression, struct sock_fprog *ret)
{
	struct bpf_program classic;
	int code = compile(expression, &classic);

	if (code < 0)
		return code;
	code = socket_program(&classic, ret);
	pcap_freecode(&classic);
	return code;
}

/* ---- for XDP: one instruction after the other ---- */

enum {
	CTX = BPF_REG_6,
	A = BPF_REG_7,
	X = BPF_REG_8,
	LOADED_AT = -72,
	/* The verifier must know that an offset is small; 16 bits are what a frame needs. */
	DIRECT_MAX = 0x7fff,
	OFFSET_MAX = 0xffff,
	NOWHERE = -1,
};

struct translation {
	const struct sock_filter *classic;
	uint32_t classic_count;
	const struct kernel_filter_ends *ends;
	struct bpf_insn *insn; /* KERNEL_FILTER_INSNS and one that is written when they are full */
	int32_t *target;       /* of the jump in insn[i], as an index into `place`; or NOWHERE */
	uint32_t count;        /* of insn */
	uint32_t *place;       /* of each classic instruction, then of the two ends */
};

static uint32_t accepted(const struct translation *t)
{
	return t->classic_count;
}

static uint32_t refused(const struct translation *t)
{
	return t->classic_count + 1;
}

/* emit - Returns its index. */
static uint32_t emit(struct translation *t, int code, int dst, int src, int off, uint32_t imm)
{
	uint32_t at = t->count;

	t->insn[at] = (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = (unsigned int)dst & 0xf,
		.src_reg = (unsigned int)src & 0xf,
		.off = (int16_t)off,
		.imm = (int32_t)imm,
	};
	t->target[at] = NOWHERE;
	if (t->count < KERNEL_FILTER_INSNS)
		t->count++;
	return at;
}

static void move(struct translation *t, int dst, int src)
{
	emit(t, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void move_imm(struct translation *t, int dst, uint32_t imm)
{
	emit(t, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

static void add_imm(struct translation *t, int dst, int32_t imm)
{
	emit(t, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, (uint32_t)imm);
}

static void call(struct translation *t, uint32_t helper)
{
	emit(t, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* load_map - the address of a map, or with BPF_PSEUDO_MAP_VALUE of a byte of its value. */
static void load_map(struct translation *t, int dst, int kind, int fd, uint32_t offset)
{
	emit(t, BPF_LD | BPF_DW | BPF_IMM, dst, kind, 0, (uint32_t)fd);
	emit(t, 0, 0, 0, 0, offset);
}

/* jump - if dst OP src or imm, to a place in the classic program or to an end. */
static void jump(struct translation *t, int code, int dst, int src, uint32_t imm, uint32_t target)
{
	t->target[emit(t, code, dst, src, 0, imm)] = (int32_t)target;
}

/* land - the jump at `from`, within one classic instruction, comes here. */
static void land(struct translation *t, uint32_t from)
{
	t->insn[from].off = (int16_t)(t->count - from - 1);
}

/* load - a number of `size` (BPF_W, BPF_H, BPF_B) bytes `width` at R2 into dst, in host order.
 * What lies in the frame's first buffer is read where it is. The pointers are fetched each time:
 * kept, they would carry what has been checked so far, and the verifier would have to follow
 * every combination of checks. */
static void load(struct translation *t, int size, uint32_t width, int dst)
{
	uint32_t far, beyond, done;

	far = emit(t, BPF_JMP | BPF_JGT | BPF_K, BPF_REG_2, 0, 0, DIRECT_MAX);
	emit(t, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_1, CTX, offsetof(struct xdp_md, data), 0);
	emit(t, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, CTX, offsetof(struct xdp_md, data_end), 0);
	emit(t, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0);
	move(t, BPF_REG_3, BPF_REG_1);
	add_imm(t, BPF_REG_3, (int32_t)width);
	beyond = emit(t, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_3, BPF_REG_4, 0, 0);
	emit(t, BPF_LDX | BPF_MEM | size, dst, BPF_REG_1, 0, 0);
	done = emit(t, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	land(t, far);
	land(t, beyond);
	/* The helper would take the lower half of an offset that does not fit 32 bits. */
	jump(t, BPF_JMP | BPF_JGT | BPF_K, BPF_REG_2, 0, OFFSET_MAX, refused(t));
	move(t, BPF_REG_1, CTX);
	move(t, BPF_REG_3, BPF_REG_10);
	add_imm(t, BPF_REG_3, LOADED_AT);
	move_imm(t, BPF_REG_4, width);
	call(t, BPF_FUNC_xdp_load_bytes);
	jump(t, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 0, refused(t));
	emit(t, BPF_LDX | BPF_MEM | size, dst, BPF_REG_10, LOADED_AT, 0);
	land(t, done);
	if (width > 1)
		emit(t, BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, width * 8);
}

/* load_at - from k, or for BPF_IND from X + k, which may be more than 32 bits: refused then. */
static void load_at(struct translation *t, const struct sock_filter *i, int dst)
{
	int size = BPF_SIZE(i->code);

	move_imm(t, BPF_REG_2, i->k);
	if (BPF_MODE(i->code) == BPF_IND)
		emit(t, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_2, X, 0, 0);
	load(t, size, size == BPF_W ? 4 : size == BPF_H ? 2 : 1, dst);
}

static int word_at(uint32_t k)
{
	return -4 * ((int)k + 1);
}

static int translate_load(struct translation *t, const struct sock_filter *i)
{
	int dst = BPF_CLASS(i->code) == BPF_LDX ? X : A;

	switch (BPF_MODE(i->code)) {
	case BPF_IMM: move_imm(t, dst, i->k); return 0;
	case BPF_ABS:
		if (is_ancillary(i))
			return -EOPNOTSUPP;
		load_at(t, i, dst);
		return 0;
	case BPF_IND: load_at(t, i, dst); return 0;
	case BPF_MSH:
		load_at(t, i, dst);
		emit(t, BPF_ALU | BPF_AND | BPF_K, dst, 0, 0, 0xf);
		emit(t, BPF_ALU | BPF_LSH | BPF_K, dst, 0, 0, 2);
		return 0;
	case BPF_MEM:
		emit(t, BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_10, word_at(i->k), 0);
		return 0;
	case BPF_LEN:
		move(t, BPF_REG_1, CTX);
		call(t, BPF_FUNC_xdp_get_buff_len);
		emit(t, BPF_ALU | BPF_MOV | BPF_X, dst, BPF_REG_0, 0, 0);
		return 0;
	default: return -EOPNOTSUPP;
	}
}

/* shift_by_x - 32 and more leave nothing, where eBPF counts modulo 32. */
static void shift_by_x(struct translation *t, int code)
{
	uint32_t small = emit(t, BPF_JMP32 | BPF_JLT | BPF_K, X, 0, 0, 32);

	move_imm(t, A, 0);
	land(t, small);
	emit(t, code, A, X, 0, 0);
}

static int translate_alu(struct translation *t, const struct sock_filter *i)
{
	bool by_x = BPF_SRC(i->code) == BPF_X;

	switch (BPF_OP(i->code)) {
	case BPF_NEG: emit(t, BPF_ALU | BPF_NEG, A, 0, 0, 0); return 0;
	case BPF_LSH:
	case BPF_RSH:
		if (by_x)
			shift_by_x(t, i->code);
		else if (i->k < 32)
			emit(t, i->code, A, 0, 0, i->k);
		else
			move_imm(t, A, 0);
		return 0;
	case BPF_DIV:
	case BPF_MOD:
		if (by_x)
			jump(t, BPF_JMP32 | BPF_JEQ | BPF_K, X, 0, 0, refused(t));
		else if (i->k == 0)
			return -EOPNOTSUPP;
		break;
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_OR:
	case BPF_AND:
	case BPF_XOR: break;
	default: return -EOPNOTSUPP;
	}
	/* Both languages have the same numbers for these. */
	emit(t, i->code, A, by_x ? X : 0, 0, by_x ? 0 : i->k);
	return 0;
}

/* opposite - Returns the operation that is true when `op` is not, or BPF_JA: there is none. */
static int opposite(int op)
{
	switch (op) {
	case BPF_JEQ: return BPF_JNE;
	case BPF_JGT: return BPF_JLE;
	case BPF_JGE: return BPF_JLT;
	default: return BPF_JA;
	}
}

static int translate_jump(struct translation *t, const struct sock_filter *i, uint32_t index)
{
	uint32_t next = index + 1, yes = next + i->jt, no = next + i->jf;
	bool by_x = BPF_SRC(i->code) == BPF_X;
	int op = BPF_OP(i->code), src = by_x ? X : 0;
	uint32_t imm = by_x ? 0 : i->k;

	switch (op) {
	case BPF_JA:
		if (jumps_back(i))
			return -EOPNOTSUPP;
		jump(t, BPF_JMP | BPF_JA, 0, 0, 0, next + i->k);
		return 0;
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET: break;
	default: return -EOPNOTSUPP;
	}
	if (yes == next && opposite(op) != BPF_JA) {
		jump(t, BPF_JMP32 | opposite(op) | BPF_SRC(i->code), A, src, imm, no);
		return 0;
	}
	jump(t, BPF_JMP32 | op | BPF_SRC(i->code), A, src, imm, yes);
	if (no != next)
		jump(t, BPF_JMP | BPF_JA, 0, 0, 0, no);
	return 0;
}

static int translate_return(struct translation *t, const struct sock_filter *i)
{
	switch (BPF_RVAL(i->code)) {
	case BPF_K:
		jump(t, BPF_JMP | BPF_JA, 0, 0, 0, i->k != 0 ? accepted(t) : refused(t));
		return 0;
	case BPF_A:
		jump(t, BPF_JMP32 | BPF_JNE | BPF_K, A, 0, 0, accepted(t));
		jump(t, BPF_JMP | BPF_JA, 0, 0, 0, refused(t));
		return 0;
	default: return -EOPNOTSUPP;
	}
}

static int translate_one(struct translation *t, uint32_t index)
{
	const struct sock_filter *i = &t->classic[index];

	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
	case BPF_LDX: return translate_load(t, i);
	case BPF_ST:
	case BPF_STX:
		emit(t, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10,
		     BPF_CLASS(i->code) == BPF_STX ? X : A, word_at(i->k), 0);
		return 0;
	case BPF_ALU: return translate_alu(t, i);
	case BPF_JMP: return translate_jump(t, i, index);
	case BPF_RET: return translate_return(t, i);
	default:
		if (BPF_MISCOP(i->code) == BPF_TAX)
			emit(t, BPF_ALU | BPF_MOV | BPF_X, X, A, 0, 0);
		else
			emit(t, BPF_ALU | BPF_MOV | BPF_X, A, X, 0, 0);
		return 0;
	}
}

/* ---- for XDP: the whole ---- */

static bool reads_memory(const struct translation *t)
{
	for (uint32_t i = 0; i < t->classic_count; i++)
		if (t->classic[i].code == (BPF_LD | BPF_MEM) ||
		    t->classic[i].code == (BPF_LDX | BPF_MEM))
			return true;
	return false;
}

/* put_beginning - A, X and M[] are zeros. */
static void put_beginning(struct translation *t)
{
	move(t, CTX, BPF_REG_1);
	move_imm(t, A, 0);
	move_imm(t, X, 0);
	if (!reads_memory(t))
		return;
	for (uint32_t i = 1; i < BPF_MEMWORDS; i += 2)
		emit(t, BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, word_at(i), 0);
}

static void put_accepted(struct translation *t)
{
	const struct kernel_filter_ends *e = t->ends;

	move(t, BPF_REG_1, CTX);
	load_map(t, BPF_REG_2, BPF_PSEUDO_MAP_FD, e->tail_map_fd, 0);
	move_imm(t, BPF_REG_3, e->tail_index);
	call(t, BPF_FUNC_tail_call);
	move_imm(t, BPF_REG_0, e->failed);
	emit(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* put_counting - A counter belongs to its processor, so nobody else writes it meanwhile. */
static void put_counting(struct translation *t)
{
	const struct kernel_filter_ends *e = t->ends;
	uint32_t uncounted, fit;

	ENSURE(e->counter_stride_bytes >= sizeof(uint64_t));
	ENSURE(e->counter_bytes >= sizeof(uint64_t) &&
	       e->counter_offset <= e->counter_bytes - sizeof(uint64_t));
	fit = (e->counter_bytes - (uint32_t)sizeof(uint64_t) - e->counter_offset) /
		      e->counter_stride_bytes +
	      1;
	call(t, BPF_FUNC_get_smp_processor_id);
	uncounted = emit(t, BPF_JMP | BPF_JGE | BPF_K, BPF_REG_0, 0, 0, fit);
	emit(t, BPF_ALU64 | BPF_MUL | BPF_K, BPF_REG_0, 0, 0, e->counter_stride_bytes);
	load_map(t, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, e->counter_map_fd, e->counter_offset);
	emit(t, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_1, BPF_REG_0, 0, 0);
	emit(t, BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_2, BPF_REG_1, 0, 0);
	add_imm(t, BPF_REG_2, 1);
	emit(t, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_2, 0, 0);
	land(t, uncounted);
}

static void put_refused(struct translation *t)
{
	if (t->ends->counter_map_fd >= 0)
		put_counting(t);
	move_imm(t, BPF_REG_0, t->ends->refused);
	emit(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* put_end - The verifier refuses what nothing leads to. */
static void put_end(struct translation *t, uint32_t end, void (*put)(struct translation *t))
{
	bool wanted = false;

	for (uint32_t i = 0; i < t->count && !wanted; i++)
		wanted = t->target[i] == (int32_t)end;
	t->place[end] = t->count;
	if (wanted)
		put(t);
}

/* resolve - Returns: 0; -E2BIG: a jump is too far for its 16 bits. */
static int resolve(struct translation *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		uint32_t distance;

		if (t->target[i] == NOWHERE)
			continue;
		distance = t->place[t->target[i]] - i - 1;
		if (distance > INT16_MAX)
			return -E2BIG;
		t->insn[i].off = (int16_t)distance;
	}
	return 0;
}

static int translate(struct translation *t)
{
	int code;

	put_beginning(t);
	for (uint32_t i = 0; i < t->classic_count; i++) {
		t->place[i] = t->count;
		code = translate_one(t, i);
		if (code < 0)
			return code;
	}
	put_end(t, accepted(t), put_accepted);
	put_end(t, refused(t), put_refused);
	return t->count == KERNEL_FILTER_INSNS ? -E2BIG : resolve(t);
}

/* xdp_program - `translate` in memory of its own. */
static int xdp_program(const struct bpf_program *classic, const struct kernel_filter_ends *ends,
		       struct bpf_insn **ret, uint32_t *ret_count)
{
	struct translation t = {
		.classic = classic->bf_insns,
		.classic_count = classic->bf_len,
		.ends = ends,
		.insn = calloc(KERNEL_FILTER_INSNS + 1, sizeof(*t.insn)),
		.target = calloc(KERNEL_FILTER_INSNS + 1, sizeof(*t.target)),
		.place = calloc(classic->bf_len + 2, sizeof(*t.place)),
	};
	int code = -ENOMEM;

	if (t.insn != NULL && t.target != NULL && t.place != NULL)
		code = translate(&t);
	free(t.place);
	free(t.target);
	if (code < 0) {
		free(t.insn);
		return code;
	}
	*ret = t.insn;
	*ret_count = t.count;
	return 0;
}

int kernel_filter_translate(const char *expression, const struct kernel_filter_ends *ends,
			    struct bpf_insn **ret, uint32_t *ret_count)
{
	struct bpf_program classic;
	int code = compile(expression, &classic);

	if (code < 0)
		return code;
	code = xdp_program(&classic, ends, ret, ret_count);
	pcap_freecode(&classic);
	return code;
}
