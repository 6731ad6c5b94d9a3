/* interface - checks of every interface: what its driver can do, and what it does to frames before
 * weir sees them. */
#include <errno.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include "control/host/check.h"
#include "control/host/rss.h"
#include "dataplane/base/compiler.h"

enum {
	HEADER_BYTES = 14 + 2 * 4,     /* Ethernet and two VLAN tags, beyond the MTU */
	FRAME_ROOM = 2048 - 256,       /* of a frame of AF_XDP, by default */
	LARGE_FRAME_ROOM = 4096 - 256, /* with frame=4096; there are none larger */
	RING_ENOUGH = 4096,
};

static const char *name_of(const struct host_link *l)
{
	return l->nic.name;
}

/* ---- is anything coming in? ---- */

static void check_link(const struct host *h, const struct host_link *l, struct report *r)
{
	(void)h;
	if (!l->nic.up) {
		report(r, LEVEL_FAIL, "%s: is down: nothing arrives", name_of(l));
		report_fix(r, "ip link set %s up", name_of(l));
	} else if (!l->nic.carrier) {
		report(r, LEVEL_WARN, "%s: is up, but has no carrier: nothing arrives", name_of(l));
		report_fix(r, "look at the cable, and whether the other end is up");
	} else {
		report(r, LEVEL_OK, "%s: up, %s%s", name_of(l), l->driver,
		       l->has_address ? ", with an address of this host" : "");
	}
}

static void check_drops(const struct host *h, const struct host_link *l, struct report *r)
{
	const struct nic_link *n = &l->nic;

	(void)h;
	if (n->dropped + n->missed + n->errors == 0)
		report(r, LEVEL_OK, "%s: none among %" PRIu64 " packets", name_of(l), n->packets);
	else if (n->missed > 0)
		report(r, LEVEL_INFO,
		       "%s: beside %" PRIu64 " packets received, %" PRIu64
		       " found the ring full (missed), dropped %" PRIu64 ", errors %" PRIu64
		       ", ever since it is there",
		       name_of(l), n->packets, n->missed, n->dropped, n->errors);
	else
		report(r, LEVEL_INFO,
		       "%s: beside %" PRIu64 " packets received, dropped %" PRIu64
		       " (the stack's too), errors %" PRIu64 ", ever since it is there",
		       name_of(l), n->packets, n->dropped, n->errors);
}

/* ---- XDP ---- */

static int ask_xdp(const struct host *h, const struct host_link *l, struct nic_xdp *ret)
{
	return h->nic == NULL ? -EOPNOTSUPP : nic_xdp(h->nic, l->nic.index, ret);
}

static void check_xdp(const struct host *h, const struct host_link *l, struct report *r)
{
	struct nic_xdp xdp;
	int code = ask_xdp(h, l, &xdp);

	if (code == -EOPNOTSUPP) {
		report(r, LEVEL_INFO, "%s: not readable: this kernel does not tell (6.3 does)",
		       name_of(l));
	} else if (code < 0) {
		report(r, LEVEL_INFO, "%s: not readable: %s", name_of(l), strerror(-code));
	} else if (!xdp.native || !xdp.redirect) {
		report(r, LEVEL_INFO,
		       "%s: %s cannot run XDP programs itself: af_xdp is generic, behind the "
		       "stack's own work",
		       name_of(l), l->driver);
		report_fix(r, "--rx af_packet:%s costs less", name_of(l));
	} else {
		report(r, LEVEL_OK, "%s: %s: native%s%s%s", name_of(l), l->driver,
		       xdp.zero_copy ? ", zero-copy" : ", copies (it has no zero-copy)",
		       xdp.several_frames ? ", packets in several frames" : "",
		       xdp.rx_timestamp ? ", time stamps" : "");
	}
}

static void check_program(const struct host *h, const struct host_link *l, struct report *r)
{
	static const char *const modes[] = { [XDP_ATTACHED_DRV] = "native",
					     [XDP_ATTACHED_SKB] = "generic",
					     [XDP_ATTACHED_HW] = "hardware",
					     [XDP_ATTACHED_MULTI] = "several modes" };
	uint8_t mode = l->nic.xdp_mode;

	(void)h;
	if (mode == XDP_ATTACHED_NONE) {
		report(r, LEVEL_OK, "%s: no XDP program is attached", name_of(l));
		return;
	}
	report(r, LEVEL_WARN,
	       "%s: XDP program %" PRIu32 " is attached (%s): a capture that runs, or somebody "
	       "else's, who keeps af_xdp out",
	       name_of(l), l->nic.xdp_program,
	       mode < array_count(modes) && modes[mode] != NULL ? modes[mode] : "?");
	report_fix(r,
		   "weir ctl status; bpftool prog show id %" PRIu32 "; ip link set dev %s xdp off",
		   l->nic.xdp_program, name_of(l));
}

/* ---- packets against frames ---- */

static void check_mtu(const struct host *h, const struct host_link *l, struct report *r)
{
	uint32_t mtu = l->nic.mtu_bytes, bytes = mtu + HEADER_BYTES;
	struct nic_xdp xdp = { 0 };
	bool told = ask_xdp(h, l, &xdp) == 0;

	if (bytes <= FRAME_ROOM) {
		report(r, LEVEL_OK, "%s: %" PRIu32 ": every packet fits a frame of AF_XDP",
		       name_of(l), mtu);
		return;
	}
	if (bytes <= LARGE_FRAME_ROOM) {
		report(r, xdp.several_frames ? LEVEL_INFO : LEVEL_WARN,
		       xdp.several_frames
			       ? "%s: %" PRIu32 ": large packets come in two frames of AF_XDP"
			       : "%s: %" PRIu32 ": large packets do not fit a frame of AF_XDP",
		       name_of(l), mtu);
		report_fix(r, "--rx af_xdp:%s,frame=4096", name_of(l));
		return;
	}
	if (xdp.several_frames) {
		report(r, LEVEL_INFO,
		       "%s: %" PRIu32 ": large packets come in %" PRIu32 " frames of AF_XDP%s",
		       name_of(l), mtu, (bytes + FRAME_ROOM - 1) / FRAME_ROOM,
		       xdp.zero_copy && xdp.zero_copy_segments <= 1 ? ", by copy" : "");
		return;
	}
	report(r, LEVEL_WARN,
	       told ? "%s: %" PRIu32 ": %s takes no program with it, or loses large packets"
		    : "%s: %" PRIu32 ": no frame of AF_XDP holds that, and whether %s can use "
		      "several is not known",
	       name_of(l), mtu, l->driver);
	report_fix(r, "--rx af_packet:%s, or ip link set %s mtu %d", name_of(l), name_of(l),
		   LARGE_FRAME_ROOM - HEADER_BYTES);
}

/* ---- offloads that put packets together or take them apart ---- */

struct offload {
	const char *feature, *word; /* in the kernel; for ethtool -K */
	const char *harm;
};

static const struct offload gro_offloads[] = {
	{ "rx-gro", "gro", "super-packets of 64 KB reach AF_XDP as several frames" },
	{ "rx-gro-hw", "rx-gro-hw",
	  "the interface puts packets together: sizes and times are not the wire's" },
	{ .feature = NULL },
};
static const struct offload lro_offloads[] = {
	{ "rx-lro", "lro",
	  "the interface puts packets together and does not say which: sizes and times are lost, "
	  "and XDP is refused" },
	{ .feature = NULL },
};
static const struct offload vlan_offloads[] = {
	{ "rx-vlan-hw-parse", "rxvlan",
	  "VLAN tags are taken out before AF_XDP sees the frame: flows of two VLANs become one" },
	{ "rx-vlan-stag-hw-parse", "rx-vlan-stag-hw-parse",
	  "outer tags (802.1ad) are taken out before AF_XDP sees the frame" },
	{ .feature = NULL },
};
static const struct offload udp_offloads[] = {
	{ "rx-udp-gro-forwarding", "rx-udp-gro-forwarding",
	  "UDP datagrams are put together: their sizes and number are not the wire's" },
	{ "rx-gro-list", "rx-gro-list",
	  "packets are chained together: their sizes and number are not the wire's" },
	{ .feature = NULL },
};

static void report_offload(const struct host_link *l, struct report *r, const struct offload *o,
			   const struct nic_feature *f)
{
	if (!f->changeable) {
		report(r, LEVEL_INFO, "%s: %s is on, and %s keeps it so; %s", name_of(l), o->word,
		       l->driver, o->harm);
		return;
	}
	if (o->word == gro_offloads[0].word)
		report(r, LEVEL_WARN, "%s: on; %s", name_of(l), o->harm);
	else
		report(r, LEVEL_WARN, "%s: %s is on; %s", name_of(l), o->word, o->harm);
	report_fix(r, "ethtool -K %s %s off", name_of(l), o->word);
	report_change(r, CHANGE_FEATURE, name_of(l), o->feature, "off");
}

static void check_offloads(const struct host *h, const struct host_link *l, struct report *r,
			   const struct offload *o)
{
	bool all_off = true;

	for (; o->feature != NULL; o++) {
		struct nic_feature f = { .name = o->feature };
		int code = h->nic == NULL ? -EOPNOTSUPP : nic_features(h->nic, name_of(l), &f, 1);

		if (code < 0) {
			report(r, LEVEL_INFO, "%s: not readable: %s", name_of(l), strerror(-code));
			return;
		}
		if (f.active)
			report_offload(l, r, o, &f);
		all_off = all_off && !f.active;
	}
	if (all_off)
		report(r, LEVEL_OK, "%s: off", name_of(l));
}

static void check_gro(const struct host *h, const struct host_link *l, struct report *r)
{
	check_offloads(h, l, r, gro_offloads);
}

static void check_lro(const struct host *h, const struct host_link *l, struct report *r)
{
	check_offloads(h, l, r, lro_offloads);
}

static void check_vlan(const struct host *h, const struct host_link *l, struct report *r)
{
	check_offloads(h, l, r, vlan_offloads);
}

static void check_udp_gro(const struct host *h, const struct host_link *l, struct report *r)
{
	check_offloads(h, l, r, udp_offloads);
}

/* ---- queues ---- */

static void check_rings(const struct host *h, const struct host_link *l, struct report *r)
{
	struct nic_rings rings;
	char text[16];
	uint32_t to;
	int code = h->nic == NULL ? -EOPNOTSUPP : nic_rings(h->nic, name_of(l), &rings);

	if (code == -EOPNOTSUPP) {
		report(r, LEVEL_OK, "%s: %s has none that could be set", name_of(l), l->driver);
		return;
	}
	if (code < 0) {
		report(r, LEVEL_INFO, "%s: not readable: %s", name_of(l), strerror(-code));
		return;
	}
	to = rings.rx_max < RING_ENOUGH ? rings.rx_max : RING_ENOUGH;
	if (rings.rx >= to) {
		report(r, LEVEL_OK, "%s: %" PRIu32 " packets of at most %" PRIu32, name_of(l),
		       rings.rx, rings.rx_max);
		return;
	}
	report(r, LEVEL_WARN,
	       "%s: %" PRIu32 " packets of at most %" PRIu32 ": a short burst fills it", name_of(l),
	       rings.rx, rings.rx_max);
	report_fix(r, "ethtool -G %s rx %" PRIu32, name_of(l), to);
	(void)snprintf(text, sizeof(text), "%" PRIu32, to);
	report_change(r, CHANGE_RINGS, name_of(l), "rx", text);
}

static void check_channels(const struct host *h, const struct host_link *l, struct report *r)
{
	struct nic_channels c = { 0 };
	uint32_t queues = l->nic.rx_queues, most = 0;

	if (h->nic != NULL && nic_channels(h->nic, name_of(l), &c) == 0) {
		queues = c.combined + c.rx;
		most = c.combined_max > 0 ? c.combined_max : c.rx_max;
	}
	if (queues == 0) {
		report(r, LEVEL_INFO, "%s: not readable: %s does not tell", name_of(l), l->driver);
	} else if (h->workers > queues && most > queues) {
		report(r, LEVEL_WARN,
		       "%s: %" PRIu32 " receive queue%s for %" PRIu32
		       " workers: they wait for one core's interrupts",
		       name_of(l), queues, queues == 1 ? "" : "s", h->workers);
		report_fix(r, "ethtool -L %s %s %" PRIu32, name_of(l),
			   c.combined_max > 0 ? "combined" : "rx",
			   h->workers < most ? h->workers : most);
	} else if (h->workers > queues) {
		report(r, LEVEL_INFO,
		       "%s: %" PRIu32 " receive queue%s for %" PRIu32
		       " workers, and there are no more",
		       name_of(l), queues, queues == 1 ? "" : "s", h->workers);
	} else if (most > queues) {
		report(r, LEVEL_OK, "%s: %" PRIu32 " receive queue%s of at most %" PRIu32,
		       name_of(l), queues, queues == 1 ? "" : "s", most);
	} else {
		report(r, LEVEL_OK, "%s: %" PRIu32 " receive queue%s", name_of(l), queues,
		       queues == 1 ? "" : "s");
	}
}

static void report_asymmetric(const struct host_link *l, struct report *r,
			      const struct rss_about *a)
{
	report(r, LEVEL_INFO,
	       "%s: not symmetric: the two directions of a flow come in on different queues; weir "
	       "capture sets that for as long as it runs",
	       name_of(l));
	report_fix(r, "ethtool -X %s xfrm symmetric-or-xor", name_of(l));
	(void)a;
}

static void check_rss(const struct host *h, const struct host_link *l, struct report *r)
{
	struct rss_about a;
	int code = rss_look(h, name_of(l), &a);

	if (code < 0) {
		report(r, LEVEL_INFO, "%s: not readable: %s", name_of(l), strerror(-code));
		return;
	}
	switch (a.state) {
	case RSS_NONE:
		report(r, LEVEL_OK,
		       "%s: %s has none to set: with several workers weir brings the directions of "
		       "a "
		       "flow together itself",
		       name_of(l), l->driver);
		break;
	case RSS_ONE_QUEUE:
		report(r, LEVEL_OK, "%s: one receive queue, nothing to distribute", name_of(l));
		break;
	case RSS_SYMMETRIC:
		report(r, LEVEL_OK, "%s: symmetric by %s, over %" PRIu32 " of %" PRIu32 " queues",
		       name_of(l), a.by, a.used, a.queues);
		break;
	case RSS_NOT_SYMMETRIC: report_asymmetric(l, r, &a); break;
	}
	if ((a.state == RSS_SYMMETRIC || a.state == RSS_NOT_SYMMETRIC) && a.used < a.queues) {
		report(r, LEVEL_WARN,
		       "%s: packets come in on %" PRIu32 " of %" PRIu32
		       " queues: the other workers "
		       "have nothing to do",
		       name_of(l), a.used, a.queues);
		report_fix(r, "ethtool -X %s equal %" PRIu32, name_of(l), a.queues);
	}
}

const struct check link_checks[] = {
	{ "link", "can packets arrive?", NULL, check_link },
	{ "drops", "what has the interface lost so far?", NULL, check_drops },
	{ "xdp", "what can the driver do, by its own word?", NULL, check_xdp },
	{ "xdp-program", "is another program attached?", NULL, check_program },
	{ "mtu", "does a packet fit a frame?", NULL, check_mtu },
	{ "gro", "are packets put together before weir sees them?", NULL, check_gro },
	{ "lro", "does the interface put packets together?", NULL, check_lro },
	{ "udp-gro", "are datagrams put together?", NULL, check_udp_gro },
	{ "vlan", "are VLAN tags taken out of frames?", NULL, check_vlan },
	{ "ring", "does a burst fit the receive ring?", NULL, check_rings },
	{ "channels", "are there queues for the workers?", NULL, check_channels },
	{ "rss", "do both directions of a flow come in on one queue?", NULL, check_rss },
	{ .name = NULL },
};
