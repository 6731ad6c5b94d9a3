/* lab - client, server and capture host as three network namespaces on one machine.
 *
 *     client                          server                          tap
 *     [wire0 10.83.0.1, fd83::1] ---- [wire0 10.83.0.2, fd83::2]
 *                                         | every packet, in and out
 *                                     [mirror0] --------------------- [tap0]  <- capture here
 *
 * The namespaces are called weir-NAME-client, weir-NAME-server and weir-NAME-tap; everything else
 * is named inside them, so labs of different names stand side by side.
 *
 * Quiet: nothing is on the wire but what somebody sends. Neighbours are entered by hand
 * and ARP is off (a further address needs `ip neigh replace ... nud permanent`, or `ip link set
 * wire0 arp on`), there are no link-local addresses, no duplicate address detection, no router
 * solicitations and no multicast reports. tap0 and mirror0 have no address at all.
 *
 * The means are ip, tc and ethtool, run one after the other: what they did can be repeated by
 * hand, and an error names the command that failed.
 *
 * Threads: any one at a time; none is made. Needs root.
 */
#ifndef CONTROL_BENCH_LAB_H
#define CONTROL_BENCH_LAB_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum lab_host { LAB_CLIENT, LAB_SERVER, LAB_TAP, LAB_HOSTS };

enum {
	LAB_NAME_BYTES = 32, /* with the zero byte */
	LAB_NAMESPACE_BYTES = 64,
	LAB_PATH_BYTES = 96,
	LAB_QUEUES_MAX = 64,
	LAB_MTU_MIN_BYTES = 1280, /* IPv6 works with no less */
	LAB_MTU_MAX_BYTES = 9000,
	LAB_PROCESSES_MAX = 16,
};

/* The programs that a lab is made with, and the Debian packages that have them. */
enum { LAB_TOOLS = 3 };
struct lab_tool {
	const char *program, *package;
};
extern const struct lab_tool lab_tools[LAB_TOOLS];

struct lab_settings {
	const char *name;   /* letters, digits, - and _ */
	uint32_t queues;    /* of mirror0 and tap0, in each direction */
	uint32_t mtu_bytes; /* of all interfaces */
	/* false: packets as a wire carries them, each with its checksums. true: as a virtual
	 * machine hands them on, up to 64 KiB each and without checksums. Tags stay in the frame
	 * and nothing is put together on tap0 either way. */
	bool offloads;
};

#define LAB_SETTINGS_PRESET                                                                        \
	((struct lab_settings){ .name = "lab", .queues = 1, .mtu_bytes = 1500, .offloads = false })

/* Cause and remedy in one sentence, without a full stop. */
struct lab_error {
	char text[1024];
};

/* Found running in a lab when its namespaces were removed. */
struct lab_process {
	pid_t pid;
	enum lab_host host;
	char command[32];
};

struct lab_remains {
	uint32_t found; /* may be more than are listed */
	struct lab_process process[LAB_PROCESSES_MAX];
};

enum lab_state {
	LAB_ABSENT,
	LAB_HALF_MADE, /* somebody was killed while making or removing it */
	LAB_READY,
};

struct lab_counters {
	uint64_t rx_packets, rx_bytes, rx_dropped;
	uint64_t tx_packets, tx_bytes, tx_dropped;
};

/* ---- names ---- */

/* lab_host_name - client, server, tap. */
const char *lab_host_name(enum lab_host host);

void lab_namespace(const char *name, enum lab_host host, char ret[LAB_NAMESPACE_BYTES]);

/* lab_namespace_path - the file to give to setns(2). */
void lab_namespace_path(const char *name, enum lab_host host, char ret[LAB_PATH_BYTES]);

/* ---- life ---- */

/* lab_check - Returns: 0; -EINVAL: a name that cannot be, or a number outside its range. */
int lab_check(const struct lab_settings *s, struct lab_error *err);

/* lab_up - make the lab; all of it, or nothing.
 *
 * Signals: INT, TERM, HUP and QUIT wait; when one comes the lab is undone, and the signal is
 *          delivered before this returns.
 * Returns: 0; with err -EINVAL; -EEXIST: there is one of that name, or half of one; -EPERM: not
 *          root; -ENOENT: a tool is missing; -EINTR; -EIO: a tool failed; -errno of a setting
 *          under /proc/sys.
 * Cost:    about thirty short processes, a fraction of a second.
 */
int lab_up(const struct lab_settings *s, struct lab_error *err);

/* lab_down - remove the lab, or what there is of it. Interfaces go before this returns.
 *
 * Processes in it go on, without a network; ret says which there are.
 *
 * Returns: 0 and ret; with err -EINVAL: no name; -ENXIO: no such lab; -ENOENT: a tool is
 *          missing; -EPERM; -EIO.
 */
int lab_down(const char *name, struct lab_remains *ret, struct lab_error *err);

/* lab_exec - this process becomes the command (argc > 0 words), inside that host, with a /sys that
 * shows the interfaces there. Returns only on failure, with err: -EINVAL: no name, or no such
 * program; -ENXIO: no such lab; -EPERM; -ENOENT: no `ip`; -errno. */
int lab_exec(const char *name, enum lab_host host, int argc, char **argv, struct lab_error *err);

/* ---- looking ---- */

/* lab_state - as root; anybody else sees every lab that is there as half-made. */
enum lab_state lab_state(const char *name);

/* lab_list - call `each` with the name of every lab that is there. Returns: how many. */
uint32_t lab_list(void (*each)(const char *name, void *user), void *user);

/* lab_counters - of an interface since it was made. Returns: 0; -ENOENT: no lab, or no such
 * interface in it; -EPERM. */
int lab_counters(const char *name, enum lab_host host, const char *interface,
		 struct lab_counters *ret);

#endif
