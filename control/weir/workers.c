/* workers - how many workers, and on which processors. */
#include "control/weir/workers.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "dataplane/base/log.h"

/* What limits the number most. */
struct limit {
	uint32_t workers;
	char why[128];
};

static void limit_to(struct limit *l, uint32_t workers, const char *why, const char *what)
{
	if (workers == 0 || workers >= l->workers)
		return;
	l->workers = workers;
	(void)snprintf(l->why, sizeof(l->why), "%s%.60s", why, what);
}

/* named - does the source begin with this back end? Then its bare argument is in ret. */
static bool named(const char *rx, const char *backend, char ret[64])
{
	size_t bytes = strlen(backend);

	if (strncmp(rx, backend, bytes) != 0 || (rx[bytes] != ':' && rx[bytes] != 0))
		return false;
	rx += bytes + (rx[bytes] == ':');
	(void)snprintf(ret, 64, "%.*s", (int)strcspn(rx, ","), rx);
	return true;
}

static void limit_by_source(struct limit *l, const char *rx,
			    uint32_t (*queues)(const char *interface))
{
	char name[64];

	if (named(rx, "pcap", name))
		limit_to(l, 1, "libpcap has one on ", name);
	if (named(rx, "af_xdp", name) && strstr(rx, ",spread=off") != NULL)
		limit_to(l, queues(name), "one for each receive queue of ", name);
}

static void limit_by_inputs(struct limit *l, const struct settings *s)
{
	const char *at = s->input;

	for (uint32_t i = 0; i < s->input_count; i++, at += strlen(at) + 1) {
		struct stat st;

		if (strcmp(at, "-") == 0 ||
		    (stat(at, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
			limit_to(l, 1, "can be read only once: ", at);
	}
}

void workers_auto(struct settings *s, uint32_t processors, uint32_t quota,
		  uint32_t (*queues)(const char *interface), char why[WORKERS_TEXT_BYTES])
{
	uint32_t usable = quota != 0 && quota < processors ? quota : processors;
	struct limit l = { .workers = usable > 1 ? usable - 1 : 1 };

	(void)snprintf(l.why, sizeof(l.why), "%u processor%s may be used%s%s", usable,
		       usable == 1 ? "" : "s", usable < processors ? " by the cgroup's quota" : "",
		       usable > 1 ? ", one is left to the other threads" : "");
	limit_to(&l, SETTINGS_WORKERS_MAX, "that is the most there can be", "");
	for (uint32_t i = 0; i < s->rx_count; i++)
		limit_by_source(&l, s->rx[i], queues);
	limit_by_inputs(&l, s);
	s->workers = l.workers;
	(void)snprintf(why, WORKERS_TEXT_BYTES, "%u worker%s: %s", l.workers,
		       l.workers == 1 ? "" : "s", l.why);
}

int workers_check(const struct settings *s, const struct cpu_set *allowed,
		  bool (*is_online)(uint32_t cpu), char why[WORKERS_TEXT_BYTES])
{
	char list[256];

	(void)cpu_list(allowed, list, sizeof(list));
	for (uint32_t i = 0; i < s->core_count; i++) {
		uint32_t core = s->core[i];

		if (cpu_has(allowed, core))
			continue;
		(void)snprintf(why, WORKERS_TEXT_BYTES,
			       is_online(core) ? "--cores: weir may not use processor %u: its "
						 "affinity or cpuset allows %s"
					       : "--cores: there is no processor %u online; weir "
						 "may use %s",
			       core, list);
		return -EINVAL;
	}
	return 0;
}

/* ---- this machine ---- */

static uint32_t rx_queues(const char *interface)
{
	char path[128];
	struct dirent *entry;
	uint32_t count = 0;
	DIR *folder;

	(void)snprintf(path, sizeof(path), "/sys/class/net/%.64s/queues", interface);
	folder = opendir(path);
	while (folder != NULL && (entry = readdir(folder)) != NULL)
		count += strncmp(entry->d_name, "rx-", 3) == 0;
	if (folder != NULL)
		closedir(folder);
	return count;
}

uint32_t workers_most(void)
{
	static struct settings s; /* without a source; large */
	char why[WORKERS_TEXT_BYTES];
	struct cpu_set allowed;

	if (cpu_allowed(&allowed) < 0)
		return 1;
	workers_auto(&s, cpu_count(&allowed), cpu_quota(), rx_queues, why);
	return (uint32_t)s.workers;
}

int workers_settle(struct settings *s, char why[WORKERS_TEXT_BYTES])
{
	struct cpu_set allowed;

	if (cpu_allowed(&allowed) < 0)
		allowed = (struct cpu_set){ { 1 } };
	if (workers_check(s, &allowed, cpu_is_online, why) < 0)
		return -EINVAL;
	if (s->workers != 0)
		return 0;
	workers_auto(s, cpu_count(&allowed), cpu_quota(), rx_queues, why);
	log_info("%s", why);
	return 0;
}
