/* af_xdp_program - the XDP program on one interface: loading, attaching, its numbers. */
#include "dataplane/rx/af_xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Written by bpftool, which minds other warnings than we do. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "bpf/steer_skel.h"
#pragma GCC diagnostic pop

#include "dataplane/rx/kernel_filter.h"

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

enum { SAID_BYTES = 256 };

struct af_xdp_program {
	struct af_xdp_program *next;
	int ifindex;
	uint32_t users;
	uint32_t slot_count, processors;
	struct steer_bpf *steer;
	struct steer_slot *slot;           /* mapped; slot_count of them */
	const struct steer_counts *counts; /* mapped; (slot_count + 1) * processors */
	uint32_t shunt_count, workers;     /* shunt_count: of each worker */
	struct steer_shunt *shunt;         /* mapped; shunt_count * workers of them; NULL: none */
	int *socket_fd;                    /* by slot; -1: none */
	/* Written by every worker that stops: the last one detaches. */
	_Atomic uint32_t connected;
	_Atomic int link_fd;
	/* The filter in front of it. The kernel empties a map of programs when its last descriptor
	   is closed, so `next_fd` stays open. */
	int filter_fd, next_fd, refused_fd;
	const struct steer_refused *refused; /* mapped; one per processor */
	char filter[48];
	struct af_xdp_program_about about;
};

static struct af_xdp_program *programs;

/* ---- what the libraries say ---- */

static char said[SAID_BYTES]; /* the last complaint */

__attribute__((format(printf, 2, 0))) static int take_down(enum libbpf_print_level level,
							   const char *format, va_list ap)
{
	if (level == LIBBPF_WARN)
		vsnprintf(said, sizeof(said), format, ap);
	return 0;
}

/* complaint - it without its name in front and its newline. */
static const char *complaint(int code)
{
	const char *text = said;

	if (strncmp(text, "libbpf: ", 8) == 0)
		text += 8;
	said[strcspn(said, "\n")] = 0;
	return *text != 0 ? text : strerror(-code);
}

static void listen_to_libraries(void)
{
	libbpf_set_print(take_down);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	said[0] = 0;
}

/* ---- somebody else's program ---- */

static void name_of(uint32_t id, char ret[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	snprintf(ret, BPF_OBJ_NAME_LEN, "?");
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &bytes) == 0)
		snprintf(ret, BPF_OBJ_NAME_LEN, "%s", info.name);
	close(fd);
}

int af_xdp_program_foreign(const char *interface, int ifindex, struct rx_error *err)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, seen);
	char name[BPF_OBJ_NAME_LEN];
	uint32_t id;

	listen_to_libraries();
	if (bpf_xdp_query(ifindex, 0, &seen) < 0)
		return 0; /* attaching will tell */
	id = seen.prog_id != 0       ? seen.prog_id
	     : seen.drv_prog_id != 0 ? seen.drv_prog_id
	     : seen.skb_prog_id != 0 ? seen.skb_prog_id
				     : seen.hw_prog_id;
	if (id == 0)
		return 0;
	name_of(id, name);
	if (strcmp(name, "steer") == 0)
		snprintf(err->text, sizeof(err->text),
			 "%s: another weir captures there with af_xdp (see \"weir ctl status\"); "
			 "stop it, or "
			 "capture beside it with --rx af_packet:%s",
			 interface, interface);
	else
		snprintf(err->text, sizeof(err->text),
			 "%s: an XDP program of somebody else is attached (id %u, \"%s\"): stop "
			 "what attached "
			 "it (if that is gone: \"ip link set %s xdp off\"), or capture with --rx "
			 "af_packet:%s",
			 interface, id, name, interface, interface);
	return -EBUSY;
}

/* ---- loading ---- */

static void *map_values(const struct bpf_map *m, size_t bytes, int protection)
{
	void *at = mmap(NULL, bytes, protection, MAP_SHARED, bpf_map__fd(m), 0);

	return at == MAP_FAILED ? NULL : at;
}

static size_t counts_bytes(const struct af_xdp_program *p)
{
	return (size_t)(p->slot_count + 1) * p->processors * sizeof(struct steer_counts);
}

static size_t shunt_bytes(const struct af_xdp_program *p)
{
	return (size_t)p->shunt_count * p->workers * sizeof(*p->shunt);
}

static int refuse_load(const struct af_xdp_program_how *how, int code, struct rx_error *err)
{
	const char *remedy = code == -EPERM || code == -EACCES
				     ? ": it needs the capabilities CAP_BPF, CAP_PERFMON and "
				       "CAP_NET_ADMIN: start as root "
				       "or with sudo"
				     : "";

	snprintf(err->text, sizeof(err->text), "%s: the kernel refuses the XDP program (%s)%s",
		 how->interface, complaint(code), remedy);
	return code;
}

/* steer_load - maps sized for the interface, constants set. */
static int steer_load(struct af_xdp_program *p, const struct af_xdp_program_how *how)
{
	struct steer_bpf *s = steer_bpf__open();
	int code = s == NULL ? -errno : 0;

	if (code < 0)
		return code;
	p->steer = s;
	s->rodata->processors = p->processors;
	s->rodata->queues_known = how->queues;
	s->rodata->members = how->members;
	s->rodata->address_factor = how->address_factor;
	s->rodata->port_factor = how->port_factor;
	s->rodata->frags = how->frags;
	s->rodata->shunts = how->shunts;
	s->rodata->workers = how->workers;
	code = bpf_map__set_max_entries(s->maps.slots, p->slot_count);
	if (code == 0)
		code = bpf_map__set_max_entries(s->maps.counts,
						(p->slot_count + 1) * p->processors);
	if (code == 0)
		code = bpf_map__set_max_entries(s->maps.sockets, p->slot_count);
	if (code == 0 && how->shunts > 0)
		code = bpf_map__set_max_entries(s->maps.shunted, how->shunts * how->workers);
	if (code == 0 && how->frags)
		code = bpf_program__set_flags(s->progs.steer, BPF_F_XDP_HAS_FRAGS);
	if (code == 0)
		code = steer_bpf__load(s);
	if (code < 0)
		return code;
	p->slot = map_values(s->maps.slots, p->slot_count * sizeof(*p->slot),
			     PROT_READ | PROT_WRITE);
	p->counts = map_values(s->maps.counts, counts_bytes(p), PROT_READ);
	if (how->shunts > 0) {
		p->shunt = map_values(s->maps.shunted, shunt_bytes(p), PROT_READ | PROT_WRITE);
		if (p->shunt == NULL)
			return -ENOMEM;
	}
	return p->slot == NULL || p->counts == NULL ? -ENOMEM : 0;
}

/* ---- the filter in front ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void filter_unload(struct af_xdp_program *p)
{
	if (p->refused != NULL)
		munmap((void *)(uintptr_t)p->refused, p->processors * sizeof(*p->refused));
	p->refused = NULL;
	close_fd(&p->filter_fd);
	close_fd(&p->next_fd);
	close_fd(&p->refused_fd);
}

static int filter_maps(struct af_xdp_program *p)
{
	LIBBPF_OPTS(bpf_map_create_opts, mapped, .map_flags = BPF_F_MMAPABLE);
	size_t bytes = p->processors * sizeof(*p->refused);
	void *at;

	p->refused_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "refused", sizeof(uint32_t),
				       (uint32_t)bytes, 1, &mapped);
	p->next_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "next", sizeof(uint32_t),
				    sizeof(uint32_t), 1, NULL);
	if (p->refused_fd < 0 || p->next_fd < 0)
		return p->next_fd < 0 ? p->next_fd : p->refused_fd;
	at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, p->refused_fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	p->refused = at;
	return 0;
}

/* filter_program - A program may only call another that was loaded for buffers of the same kind. */
static int filter_program(struct af_xdp_program *p, const struct bpf_insn *insns, uint32_t count,
			  bool frags)
{
	LIBBPF_OPTS(bpf_prog_load_opts, how, .expected_attach_type = BPF_XDP,
		    .prog_flags = frags ? BPF_F_XDP_HAS_FRAGS : 0);
	uint32_t index = 0;
	int steer_fd = bpf_program__fd(p->steer->progs.steer);

	p->filter_fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "filter", "Dual BSD/GPL", insns, count,
				     &how);
	if (p->filter_fd < 0)
		return p->filter_fd;
	return bpf_map_update_elem(p->next_fd, &index, &steer_fd, BPF_ANY);
}

static int filter_load(struct af_xdp_program *p, const struct af_xdp_program_how *how)
{
	struct kernel_filter_ends ends = {
		.counter_stride_bytes = sizeof(*p->refused),
		.counter_bytes = p->processors * (uint32_t)sizeof(*p->refused),
		.refused = how->drop ? XDP_DROP : XDP_PASS,
		.failed = XDP_PASS,
	};
	struct bpf_insn *insns = NULL;
	uint32_t count;
	int code = filter_maps(p);

	if (code < 0)
		return code;
	ends.tail_map_fd = p->next_fd;
	ends.counter_map_fd = p->refused_fd;
	code = kernel_filter_translate(how->filter, &ends, &insns, &count);
	if (code == 0)
		code = filter_program(p, insns, count, how->frags);
	free(insns);
	return code;
}

/* filter_try - Without it every frame comes up and is asked there, which is only slower. */
static void filter_try(struct af_xdp_program *p, const struct af_xdp_program_how *how)
{
	int code;

	if (how->filter == NULL || how->filter[0] == 0)
		return;
	code = filter_load(p, how);
	p->about.filters = code == 0;
	if (code == 0) {
		snprintf(p->filter, sizeof(p->filter), "filter in the program");
		return;
	}
	filter_unload(p);
	snprintf(p->filter, sizeof(p->filter), "filter in user space (%s)",
		 code == -EOPNOTSUPP ? "not for XDP"
		 : code == -ENODATA  ? "not for Ethernet"
				     : strerror(-code));
}

/* ---- attaching ---- */

static const char *attach_remedy(int code)
{
	switch (-code) {
	case EPERM: return "it needs the capability CAP_NET_ADMIN: start as root or with sudo";
	case EBUSY: return "something was attached there meanwhile: see \"ip link show\"";
	case ERANGE:
		return "its frames are too large for one buffer: lower the MTU, or leave out "
		       "frags=off";
	default: return "try mode=generic, or --rx af_packet";
	}
}

static int attach(struct af_xdp_program *p, const struct af_xdp_program_how *how,
		  struct rx_error *err)
{
	LIBBPF_OPTS(bpf_link_create_opts, link,
		    .flags = how->native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	int first = p->filter_fd >= 0 ? p->filter_fd : bpf_program__fd(p->steer->progs.steer);
	int fd = bpf_link_create(first, how->ifindex, BPF_XDP, &link);

	if (fd < 0) {
		snprintf(err->text, sizeof(err->text),
			 "%s: the XDP program cannot be attached in %s mode (%s): %s",
			 how->interface, how->native ? "native" : "generic", strerror(-fd),
			 attach_remedy(fd));
		return fd;
	}
	atomic_store_explicit(&p->link_fd, fd, memory_order_relaxed);
	return 0;
}

static void detach(struct af_xdp_program *p)
{
	int fd = atomic_exchange_explicit(&p->link_fd, -1, memory_order_relaxed);

	if (fd >= 0)
		close(fd);
}

/* read_back - what was asked for may not be what it became. */
static void read_back(struct af_xdp_program *p, const struct af_xdp_program_how *how)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, seen);

	p->about.native = how->native;
	p->about.frags = how->frags;
	p->about.drops = how->drop;
	p->about.filter = p->filter;
	if (bpf_xdp_query(how->ifindex, 0, &seen) < 0)
		return;
	p->about.native = seen.attach_mode != XDP_ATTACHED_SKB;
	p->about.hardware = seen.attach_mode == XDP_ATTACHED_HW;
}

/* ---- life ---- */

struct af_xdp_program *af_xdp_program_find(int ifindex)
{
	struct af_xdp_program *p = programs;

	while (p != NULL && p->ifindex != ifindex)
		p = p->next;
	if (p != NULL)
		p->users++;
	return p;
}

static void program_free(struct af_xdp_program *p)
{
	detach(p);
	filter_unload(p);
	if (p->slot != NULL)
		munmap(p->slot, p->slot_count * sizeof(*p->slot));
	if (p->counts != NULL)
		munmap((void *)(uintptr_t)p->counts, counts_bytes(p));
	if (p->shunt != NULL)
		munmap(p->shunt, shunt_bytes(p));
	steer_bpf__destroy(p->steer);
	free(p->socket_fd);
	free(p);
}

static struct af_xdp_program *program_new(const struct af_xdp_program_how *how)
{
	struct af_xdp_program *p = calloc(1, sizeof(*p));
	int processors = libbpf_num_possible_cpus();

	if (p == NULL)
		return NULL;
	*p = (struct af_xdp_program){
		.ifindex = how->ifindex,
		.users = 1,
		.shunt_count = how->shunts,
		.workers = how->workers,
		.slot_count = how->queues * how->members,
		.processors = processors > 0 ? (uint32_t)processors : 1,
		.socket_fd = malloc((size_t)how->queues * how->members * sizeof(*p->socket_fd)),
		.link_fd = -1,
		.filter_fd = -1,
		.next_fd = -1,
		.refused_fd = -1,
	};
	if (p->socket_fd == NULL) {
		free(p);
		return NULL;
	}
	for (uint32_t i = 0; i < p->slot_count; i++)
		p->socket_fd[i] = -1;
	return p;
}

int af_xdp_program_open(const struct af_xdp_program_how *how, struct af_xdp_program **ret,
			struct rx_error *err)
{
	int code = af_xdp_program_foreign(how->interface, how->ifindex, err);
	struct af_xdp_program *p;

	if (code < 0)
		return code;
	p = program_new(how);
	if (p == NULL) {
		snprintf(err->text, sizeof(err->text), "%s: no memory", how->interface);
		return -ENOMEM;
	}
	code = steer_load(p, how);
	if (code < 0) {
		refuse_load(how, code, err);
		goto err_free;
	}
	filter_try(p, how);
	code = attach(p, how, err);
	if (code < 0)
		goto err_free;
	read_back(p, how);
	p->next = programs;
	programs = p;
	*ret = p;
	return 0;
err_free:
	program_free(p);
	return code;
}

void af_xdp_program_close(struct af_xdp_program *p)
{
	struct af_xdp_program **at = &programs;

	if (p == NULL || --p->users > 0)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	program_free(p);
}

/* ---- slots ---- */

int af_xdp_program_connect(struct af_xdp_program *p, uint32_t slot, int socket_fd,
			   uint32_t frame_bytes_max, struct rx_error *err)
{
	int code;

	if (p->socket_fd[slot] >= 0) {
		snprintf(err->text, sizeof(err->text),
			 "af_xdp: a queue of the interface is captured already: name an interface "
			 "once; --workers shares its queues out");
		return -EBUSY;
	}
	code = bpf_map_update_elem(bpf_map__fd(p->steer->maps.sockets), &slot, &socket_fd, BPF_ANY);
	if (code < 0) {
		snprintf(err->text, sizeof(err->text),
			 "af_xdp: the socket cannot be put into the program's map: %s",
			 strerror(-code));
		return code;
	}
	p->socket_fd[slot] = socket_fd;
	p->slot[slot].frame_bytes_max = frame_bytes_max;
	__atomic_store_n(&p->slot[slot].open, 1, __ATOMIC_RELEASE);
	atomic_fetch_add_explicit(&p->connected, 1, memory_order_relaxed);
	return 0;
}

void af_xdp_program_disconnect(struct af_xdp_program *p, uint32_t slot)
{
	if (__atomic_exchange_n(&p->slot[slot].open, 0, __ATOMIC_RELAXED) == 0)
		return;
	if (atomic_fetch_sub_explicit(&p->connected, 1, memory_order_relaxed) == 1)
		detach(p);
}

void af_xdp_program_release(struct af_xdp_program *p, uint32_t slot)
{
	p->socket_fd[slot] = -1;
}

int af_xdp_program_socket(const struct af_xdp_program *p, uint32_t slot)
{
	return p->socket_fd[slot];
}

uint32_t af_xdp_program_slots(const struct af_xdp_program *p)
{
	return p->slot_count;
}

/* ---- numbers ---- */

static uint64_t current(const __u64 *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

void af_xdp_program_counts(const struct af_xdp_program *p, uint32_t slot, struct steer_counts *ret)
{
	const struct steer_counts *c = p->counts + (size_t)slot * p->processors;

	*ret = (struct steer_counts){ 0 };
	for (uint32_t i = 0; i < p->processors; i++) {
		ret->seen += current(&c[i].seen);
		ret->redirected += current(&c[i].redirected);
		ret->too_big += current(&c[i].too_big);
		ret->passed += current(&c[i].passed);
		ret->shunted += current(&c[i].shunted);
		ret->shunted_bytes += current(&c[i].shunted_bytes);
	}
}

struct steer_shunt *af_xdp_program_shunts(const struct af_xdp_program *p, uint32_t worker)
{
	return p->shunt == NULL ? NULL : p->shunt + (size_t)worker * p->shunt_count;
}

uint64_t af_xdp_program_refused(const struct af_xdp_program *p)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; p->refused != NULL && i < p->processors; i++)
		sum += current(&p->refused[i].frames);
	return sum;
}

void af_xdp_program_about(const struct af_xdp_program *p, struct af_xdp_program_about *ret)
{
	*ret = p->about;
}
