/* place - where trials are: a lab with a server, or an interface that is there. */
#include "control/bench/place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <math.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/bench/hold.h"
#include "control/bench/run.h"
#include "dataplane/base/compiler.h"

enum { SERVER_READY_S = 5, DIED_WAIT_S = 3 };

static const char server_config[] =
	"daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr;\n"
	"events { worker_connections 8192; }\n"
	"http { access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;\n"
	"sendfile on; tcp_nopush on; open_file_cache max=16; default_type text/plain;\n"
	"client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;\n"
	"uwsgi_temp_path t4; scgi_temp_path t5;\n"
	"server { listen 10.83.0.2:80 backlog=4096; root www; } }\n";

int trial_refuse(struct trial_error *err, int code, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, list);
	va_end(list);
	return code;
}

/* ---- cores ---- */

static void clear_core(struct cpu_set *set, uint32_t core)
{
	set->word[core / 64] &= ~(UINT64_C(1) << core % 64);
}

static struct cpu_set only_core(uint32_t core)
{
	struct cpu_set set = { 0 };

	set.word[core / 64] = UINT64_C(1) << core % 64;
	return set;
}

static uint32_t first_core(const struct cpu_set *set)
{
	uint32_t core = 0;

	while (core + 1 < CPU_MAX && !cpu_has(set, core))
		core++;
	return core;
}

int place_cores(const char *text, const struct cpu_set *allowed, struct cpu_set *ret_load,
		struct cpu_set *ret_receive, struct trial_error *err)
{
	struct cpu_set chosen = *allowed;
	uint32_t load = first_core(allowed);

	if (text != NULL) {
		if (cpu_list_read(text, &chosen) < 0 || cpu_count(&chosen) == 0)
			return trial_refuse(err, -EINVAL,
					    "%.80s is no list of cores: write 0,1-3, the load's "
					    "first",
					    text);
		load = (uint32_t)strtoul(text, NULL, 10);
	}
	for (uint32_t i = 0; i < CPU_MAX; i++)
		if (cpu_has(&chosen, i) && !cpu_has(allowed, i))
			return trial_refuse(err, -ENXIO,
					    "core %" PRIu32 " is offline or may not be used here: "
					    "name others",
					    i);
	*ret_load = only_core(load);
	*ret_receive = chosen;
	if (cpu_count(&chosen) > 1)
		clear_core(ret_receive, load);
	return 0;
}

/* ---- files ---- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	(void)remove(path);
	return 0;
}

static void remove_folder(const char *path)
{
	(void)nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int put_file(const char *folder, const char *name, const char *text, size_t bytes)
{
	char path[128];
	FILE *f;
	bool whole;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	if (f == NULL)
		return -errno;
	whole = fwrite(text, 1, bytes, f) == bytes;
	return fclose(f) == 0 && whole ? 0 : -EIO;
}

static int put_body(const char *folder, uint32_t bytes)
{
	char name[32], *body = malloc(bytes + 1);
	int err;

	if (body == NULL)
		return -ENOMEM;
	memset(body, PLACE_BODY_BYTE, bytes);
	(void)snprintf(name, sizeof(name), "www/%" PRIu32, bytes);
	err = put_file(folder, name, body, bytes);
	free(body);
	return err;
}

static int make_folder(struct place *p, const struct place_plan *plan)
{
	char path[PLACE_FOLDER_BYTES + 8];
	int err = 0;

	(void)snprintf(p->folder, sizeof(p->folder), "/tmp/weir-bench-%d-XXXXXX", (int)getpid());
	if (mkdtemp(p->folder) == NULL) {
		p->folder[0] = '\0';
		return -errno;
	}
	if (chmod(p->folder, 0755) < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/out", p->folder);
	/* The daemons write there as somebody else. */
	if (mkdir(path, 0700) < 0 || chmod(path, 01777) < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "%s/www", p->folder);
	if (mkdir(path, 0755) < 0)
		return -errno;
	for (size_t i = 0; i < array_count(plan->body_bytes) && err == 0; i++)
		if (plan->body_bytes[i] > 0)
			err = put_body(p->folder, plan->body_bytes[i]);
	if (err == 0)
		err = put_file(p->folder, "nginx.conf", server_config, sizeof(server_config) - 1);
	return err;
}

/* ---- whoever cleans up if we are killed ---- */

struct guard {
	const struct place *place;
	int fd;
};

/* guard - a byte says that all is well; the end of the file that we have died. */
static void guard(void *user)
{
	const struct guard *g = user;
	struct lab_remains remains;
	struct lab_error err;
	char byte = 0;

	for (int number = 1; number < 32; number++)
		(void)signal(number, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL); /* or nobody could be waited for */
	(void)prctl(PR_SET_PDEATHSIG, 0);
	close(g->place->guard_fd);
	while (read(g->fd, &byte, 1) < 0 && errno == EINTR)
		;
	if (byte == 'q')
		_exit(0);
	sleep(DIED_WAIT_S); /* the captures, which are ending */
	if (g->place->lab[0] != '\0')
		(void)lab_down(g->place->lab, &remains, &err);
	remove_folder(g->place->folder);
	_exit(0);
}

static int start_guard(struct place *p)
{
	int fd[2], err;
	struct guard g = { .place = p };
	struct child_how how = { .function = guard, .user = &g };

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	g.fd = fd[0];
	p->guard_fd = fd[1];
	err = child_start(&p->guard, &how);
	close(fd[0]);
	if (err < 0) {
		close(fd[1]);
		p->guard_fd = -1;
	}
	return err;
}

static void dismiss_guard(struct place *p)
{
	if (p->guard_fd < 0)
		return;
	if (write(p->guard_fd, "q", 1) == 1)
		(void)child_wait(&p->guard, 1);
	close(p->guard_fd);
	child_free(&p->guard);
}

/* ---- the server ---- */

/* is_listening - on port 80 of its network. */
static bool is_listening(pid_t pid)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/tcp", (int)pid);
	f = fopen(path, "re");
	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		unsigned port, state;

		found = sscanf(line, " %*u: %*x:%x %*x:%*x %x", &port, &state) == 2 && port == 80 &&
			state == 0x0a;
	}
	if (f != NULL)
		fclose(f);
	return found;
}

static int start_server(struct place *p, struct trial_error *err)
{
	const char *words[] = {
		"nginx", "-p", p->folder, "-c", "nginx.conf", "-e", "stderr", NULL
	};
	struct child_how how = {
		.lab = p->lab, .host = LAB_SERVER, .cores = &p->load_core, .word = words
	};
	double end_s = hold_now_s() + SERVER_READY_S;
	char path[PATH_MAX], line[256];
	int code;

	if (run_find("nginx", path) < 0)
		return trial_refuse(err, -ENOENT,
				    "there is no nginx to ask for pages: apt install nginx-light");
	code = child_start(&p->server, &how);
	if (code < 0)
		return trial_refuse(err, code, "nginx cannot be started: %s", strerror(-code));
	while (hold_now_s() < end_s && !child_ended(&p->server)) {
		if (is_listening(p->server.pid))
			return 0;
		if (!hold_wait(0.02))
			return trial_refuse(err, -EINTR, "interrupted");
	}
	child_line(&p->server, line, sizeof(line));
	return trial_refuse(err, -EIO, "nginx does not listen in the lab: %s",
			    line[0] != '\0' ? line : "it does not say why");
}

/* ---- life ---- */

static int make_lab(struct place *p, const struct place_plan *plan, struct trial_error *err)
{
	struct lab_settings s = LAB_SETTINGS_PRESET;
	struct lab_error why;
	int code;

	(void)snprintf(p->lab, sizeof(p->lab), "bench-%d", (int)getpid());
	s.name = p->lab;
	s.queues = plan->queues > 0 ? plan->queues : 1;
	code = lab_up(&s, &why);
	if (code < 0) {
		p->lab[0] = '\0';
		return trial_refuse(err, code, "there can be no lab: %s", why.text);
	}
	p->queues = s.queues;
	p->mtu_bytes = s.mtu_bytes;
	strcpy(p->interface, "tap0");
	return 0;
}

static int take_interface(struct place *p, const char *name, struct trial_error *err)
{
	if (if_nametoindex(name) == 0 || strlen(name) >= sizeof(p->interface))
		return trial_refuse(err, -ENODEV, "there is no interface %.40s: ip link shows them",
				    name);
	strcpy(p->interface, name);
	return 0;
}

static int open_all(struct place *p, const struct place_plan *plan, struct trial_error *err)
{
	struct cpu_set allowed;
	int code = cpu_allowed(&allowed);

	if (code == 0)
		code = place_cores(plan->cores, &allowed, &p->load_core, &p->receive_cores, err);
	else
		return trial_refuse(err, code, "this process may use no core: %s", strerror(-code));
	if (code < 0)
		return code;
	for (uint32_t i = 0; i < CPU_MAX && !p->shared_core; i++)
		p->shared_core = cpu_has(&p->load_core, i) && cpu_has(&p->receive_cores, i);
	code = machine_open(&p->machine);
	if (code < 0)
		return trial_refuse(err, code, "the work of this machine cannot be counted: %s",
				    strerror(-code));
	code = make_folder(p, plan);
	if (code < 0)
		return trial_refuse(err, code, "no folder can be made in /tmp: %s",
				    strerror(-code));
	code = plan->interface != NULL ? take_interface(p, plan->interface, err)
				       : make_lab(p, plan, err);
	if (code == 0)
		code = start_guard(p);
	if (code == 0 && plan->server && p->lab[0] != '\0')
		code = start_server(p, err);
	return code;
}

int place_open(const struct place_plan *plan, struct place **ret, struct trial_error *err)
{
	struct place *p;
	int code;

	if (geteuid() != 0)
		return trial_refuse(err, -EPERM,
				    "labs, captures and counters of the machine are root's: use "
				    "sudo");
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return trial_refuse(err, -ENOMEM, "no memory");
	p->guard_fd = -1;
	p->patience_s = plan->patience_s;
	hold_begin();
	code = open_all(p, plan, err);
	if (code == 0 && hold_signal() != 0)
		code = trial_refuse(err, -EINTR, "interrupted");
	if (code < 0) {
		place_close(p);
		return code;
	}
	*ret = p;
	return 0;
}

void place_close(struct place *p)
{
	struct lab_remains remains;
	struct lab_error err;

	if (p == NULL)
		return;
	child_free(&p->server);
	if (p->lab[0] != '\0' && lab_down(p->lab, &remains, &err) < 0)
		fprintf(stderr, "weir bench: the lab %s stays: %s\n", p->lab, err.text);
	if (p->folder[0] != '\0')
		remove_folder(p->folder);
	dismiss_guard(p);
	machine_close(p->machine);
	free(p);
	hold_end();
}

/* ---- asking ---- */

const char *place_interface(const struct place *p)
{
	return p->interface;
}

int place_interrupted(void)
{
	return hold_signal();
}

bool place_wait(double seconds)
{
	return hold_wait(seconds);
}

struct machine *place_machine(const struct place *p)
{
	return p->machine;
}

uint32_t place_receive_cores(const struct place *p, bool *ret_shared)
{
	*ret_shared = p->shared_core;
	return cpu_count(&p->receive_cores);
}

static double read_number(const char *path)
{
	double value = NAN;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return NAN;
	if (fscanf(f, "%lf", &value) != 1)
		value = NAN;
	fclose(f);
	return value;
}

double place_packets(const struct place *p)
{
	struct lab_counters mirror;
	char path[128];

	if (p->lab[0] != '\0') {
		if (lab_counters(p->lab, LAB_SERVER, "mirror0", &mirror) < 0)
			return NAN;
		return (double)(mirror.tx_packets + mirror.tx_dropped);
	}
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/rx_packets", p->interface);
	return read_number(path);
}

void place_url(const struct place *p, uint32_t body_bytes, char ret[128])
{
	(void)p;
	(void)snprintf(ret, 128, "http://10.83.0.2/%" PRIu32, body_bytes);
}

/* ---- conditions ---- */

static void interface_conditions(const struct place *p, struct result *r)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", p->interface);
	request.ifr_data = (void *)&driver;
	if (ioctl(fd, SIOCETHTOOL, &request) == 0)
		result_condition(r, "lab", "driver", "%s %s", driver.driver, driver.version);
	request.ifr_data = (void *)&ring;
	if (ioctl(fd, SIOCETHTOOL, &request) == 0)
		result_condition(r, "lab", "rx ring", "%u of %u", ring.rx_pending,
				 ring.rx_max_pending);
	request.ifr_data = (void *)&channels;
	if (ioctl(fd, SIOCETHTOOL, &request) == 0)
		result_condition(r, "lab", "queues", "%u",
				 channels.rx_count + channels.combined_count);
	if (ioctl(fd, SIOCGIFMTU, &request) == 0)
		result_condition(r, "lab", "mtu", "%d", request.ifr_mtu);
	if (fd >= 0)
		close(fd);
}

void place_conditions(const struct place *p, struct result *r)
{
	char list[256];

	result_condition(r, "lab", "interface", "%s", p->interface);
	if (p->lab[0] != '\0') {
		result_condition(r, "lab", "driver", "veth");
		result_condition(r, "lab", "rx ring", "none: a veth has no descriptors");
		result_condition(r, "lab", "queues", "%" PRIu32, p->queues);
		result_condition(r, "lab", "mtu", "%" PRIu32, p->mtu_bytes);
		result_condition(r, "lab", "offloads", "off: every packet as on a wire");
	} else {
		interface_conditions(p, r);
	}
	(void)cpu_list(&p->load_core, list, sizeof(list));
	result_condition(r, "lab", "load's core", "%s", list);
	(void)cpu_list(&p->receive_cores, list, sizeof(list));
	result_condition(r, "lab", "receiver's cores", "%s%s", list,
			 p->shared_core ? " (the load's too: there is no other)" : "");
	result_condition(r, "machine", "work is counted by", "%s: %s", machine_method(p->machine),
			 machine_text(p->machine));
}
