/* dpdk_eal - EAL in a thread of its own, its memory, and where its lines go. */
#include "dataplane/rx/dpdk_eal.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "dataplane/base/log.h"
#include "dataplane/base/threads.h"
#include "dataplane/shm/settings.h"

enum {
	ARGUMENTS = 24,
	WORD_BYTES = 1100, /* --lcores 0@(…) with every processor named */
	LINE_BYTES = 400,
	SITES = 16,
	BASE_BYTES = 24 << 20,   /* what EAL and the drivers take beside the pools */
	SMALL_BYTES = 128 << 20, /* on normal pages it is only promised until it is written */
};

static struct {
	bool tried, up, huge, pci;
	int code; /* of the failure */
	struct rx_error error;
} eal;

/* ---- what it says ---- */

static struct {
	pthread_mutex_t lock;
	bool keeps, all;
	char line[LINE_BYTES];  /* being put together */
	char heard[LINE_BYTES]; /* the first complaint */
	struct log_site site[SITES];
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* site_of - One cause speaks once in 20 s: lines that differ in numbers alone are one cause. */
static struct log_site *site_of(const char *line)
{
	uint32_t h = 2166136261u;

	for (; *line != 0; line++)
		if (*line < '0' || *line > '9')
			h = (h ^ (uint8_t)*line) * 16777619u;
	return &said.site[h % SITES];
}

/* without_speaker - "EAL: ", "rte_pmd_init_internals(): " */
static const char *without_speaker(const char *line)
{
	const char *colon = strstr(line, ": ");

	return colon != NULL && strcspn(line, " ") > (size_t)(colon - line) ? colon + 2 : line;
}

static void tell(uint32_t level)
{
	bool complains = level <= RTE_LOG_WARNING;

	if (said.line[0] == 0)
		return;
	if (said.keeps && complains && said.heard[0] == 0)
		snprintf(said.heard, sizeof(said.heard), "%s", without_speaker(said.line));
	if (said.all || (!said.keeps && complains))
		log_line(site_of(said.line), complains ? LOG_WARN : LOG_INFO, "dpdk: %s",
			 said.line);
	said.line[0] = 0;
}

/* take - what is written to EAL's stream; a line may come in pieces. */
static ssize_t take(void *cookie, const char *text, size_t bytes)
{
	int level = rte_log_cur_msg_loglevel();

	(void)cookie;
	pthread_mutex_lock(&said.lock);
	for (size_t i = 0; i < bytes; i++) {
		size_t have = strlen(said.line);

		if (text[i] == '\n') {
			tell(level < 0 ? RTE_LOG_INFO : (uint32_t)level);
		} else if (have + 1 < sizeof(said.line)) {
			/* A driver may repeat what it was given. */
			said.line[have] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
			said.line[have + 1] = 0;
		}
	}
	pthread_mutex_unlock(&said.lock);
	return (ssize_t)bytes;
}

static int take_over_log(bool all)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = take });

	if (stream == NULL)
		return -ENOMEM;
	setvbuf(stream, NULL, _IOLBF, 0);
	said.all = all;
	return rte_openlog_stream(stream);
}

void dpdk_eal_listen(void)
{
	pthread_mutex_lock(&said.lock);
	said.keeps = true;
	said.heard[0] = 0;
	pthread_mutex_unlock(&said.lock);
}

const char *dpdk_eal_heard(void)
{
	pthread_mutex_lock(&said.lock);
	said.keeps = false;
	pthread_mutex_unlock(&said.lock);
	return said.heard;
}

/* ---- memory ---- */

static uint64_t number_in(const char *path)
{
	FILE *f = fopen(path, "re");
	uint64_t n = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

uint64_t dpdk_eal_free_bytes(void)
{
	glob_t found = { 0 };
	uint64_t bytes = 0;

	if (glob("/sys/kernel/mm/hugepages/hugepages-*kB/free_hugepages", 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++) {
			const char *size = strstr(found.gl_pathv[i], "hugepages-");

			bytes += strtoull(size + strlen("hugepages-"), NULL, 10) * 1024 *
				 number_in(found.gl_pathv[i]);
		}
	globfree(&found);
	return bytes;
}

static int choose_pages(const struct dpdk_eal_how *how, struct rx_error *err)
{
	uint64_t have = dpdk_eal_free_bytes(), need = how->bytes + BASE_BYTES;

	eal.huge = how->pages != DPDK_PAGES_SMALL && have >= need;
	if (how->pages == DPDK_PAGES_HUGE && !eal.huge) {
		snprintf(err->text, sizeof(err->text),
			 "dpdk: %" PRIu64 " MiB of huge pages are needed and %" PRIu64
			 " MiB are free: make some with \"sysctl -w vm.nr_hugepages=%" PRIu64
			 "\" (of 2 MiB), or go without: hugepages=off",
			 need >> 20, have >> 20, (need >> 21) + 1);
		return -ENOMEM;
	}
	if (how->pages == DPDK_PAGES_AUTO && !eal.huge)
		log_info("dpdk: no huge pages (%" PRIu64 " MiB needed, %" PRIu64
			 " MiB free): memory is on normal pages, --no-huge",
			 need >> 20, have >> 20);
	return 0;
}

/* ---- starting ---- */

struct arguments {
	int count;
	char *word[ARGUMENTS];
	char text[ARGUMENTS][WORD_BYTES];
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *a, const char *format, ...)
{
	char *to = a->text[a->count];
	va_list ap;

	va_start(ap, format);
	vsnprintf(to, WORD_BYTES, format, ap);
	va_end(ap);
	a->word[a->count++] = to;
}

/* add_cores - one lcore that may run wherever this process may: nothing runs on it. */
static void add_cores(struct arguments *a)
{
	char list[WORD_BYTES] = "0@(";
	size_t at = 3;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (size_t cpu = 0; cpu < CPU_SETSIZE && at < sizeof(list) - 16; cpu++)
		if (CPU_ISSET(cpu, &set))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%zu,", cpu);
	list[at - 1] = ')';
	add(a, "--lcores");
	add(a, "%s", list);
}

static void fill(struct arguments *a, const struct dpdk_eal_how *how, bool telemetry)
{
	add(a, "weir");
	add_cores(a);
	add(a, "--file-prefix");
	add(a, "weir");
	if (eal.huge) {
		add(a, "--in-memory");
	} else {
		add(a, "--no-huge");
		add(a, "--no-shconf");
		add(a, "-m");
		add(a, "%" PRIu64, (how->bytes + how->bytes / 4 + SMALL_BYTES) >> 20);
	}
	/* A port must be named to be taken: without a list of allowed ones EAL takes all there are.
	 */
	if (how->pci) {
		add(a, "-a");
		add(a, "0000:00:00.0");
	} else {
		add(a, "--no-pci");
		add(a, "--iova-mode");
		add(a, "va");
	}
	if (!telemetry)
		add(a, "--no-telemetry");
}

static void *init(void *arguments)
{
	struct arguments *a = arguments;
	static int error;

	error = rte_eal_init(a->count, a->word) < 0 ? -rte_errno : 0;
	if (error == 0)
		return NULL;
	return &error;
}

/* in_a_thread - whose signals are blocked, and with it those of the threads that EAL makes. */
static int in_a_thread(struct arguments *a)
{
	sigset_t all, before;
	pthread_t thread;
	void *result = NULL;
	int err;

	sigfillset(&all);
	sigdelset(&all, THREADS_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, NULL, init, a);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err != 0)
		return -err;
	pthread_join(thread, &result);
	return result == NULL ? 0 : *(int *)result;
}

/* give_folder - The dataplane and control change their user later, and then remove what is here. */
static void give_folder(const struct dpdk_eal_how *how)
{
	static const char *const part[] = { "dpdk", "dpdk/weir", "dpdk/weir/dpdk_telemetry.v2" };
	char path[PATH_MAX];

	for (size_t i = 0; i < 3 && how->settings->drops_user && geteuid() == 0; i++) {
		snprintf(path, sizeof(path), "%s/%s", how->folder, part[i]);
		if (lchown(path, how->settings->uid, how->settings->gid) < 0)
			return;
	}
}

static int start(const struct dpdk_eal_how *how, struct rx_error *err)
{
	static struct arguments arguments;
	bool telemetry = how->folder != NULL && how->folder[0] != 0;
	int code = choose_pages(how, err);

	if (code < 0)
		return code;
	/* Of libxdp, which net_af_xdp uses: its dispatcher needs what many kernels refuse. */
	setenv("LIBXDP_SKIP_DISPATCHER", "1", 1);
	if (telemetry)
		setenv("RUNTIME_DIRECTORY", how->folder, 1);
	code = take_over_log(how->all_messages);
	fill(&arguments, how, telemetry);
	dpdk_eal_listen();
	if (code == 0)
		code = in_a_thread(&arguments);
	if (code < 0) {
		const char *heard = dpdk_eal_heard();

		snprintf(err->text, sizeof(err->text),
			 "dpdk: EAL does not start: %s; messages=all shows everything it says",
			 heard[0] != 0 ? heard : strerror(-code));
		return -EIO;
	}
	(void)dpdk_eal_heard();
	if (telemetry)
		give_folder(how);
	eal.pci = how->pci;
	eal.up = true;
	return 0;
}

int dpdk_eal_start(const struct dpdk_eal_how *how, struct rx_error *err)
{
	if (eal.up)
		return 0;
	if (!eal.tried) {
		eal.code = start(how, &eal.error);
		/* Without a try of EAL itself another is possible. */
		eal.tried = eal.code != -ENOMEM;
	}
	*err = eal.error;
	return eal.code;
}

bool dpdk_eal_is_up(void)
{
	return eal.up;
}

bool dpdk_eal_huge(void)
{
	return eal.huge;
}

bool dpdk_eal_looks_at_pci(void)
{
	return eal.pci;
}
