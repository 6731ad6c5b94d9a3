#include "control/bench/tracepoint.h"

#include <stdio.h>

#include "dataplane/base/compiler.h"

uint64_t tracepoint_system_calls(void)
{
	static const char *const path[] = {
		"/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
		"/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
	};
	unsigned long long id = 0;

	for (size_t i = 0; i < array_count(path) && id == 0; i++) {
		FILE *f = fopen(path[i], "re");

		if (f == NULL)
			continue;
		if (fscanf(f, "%llu", &id) != 1)
			id = 0;
		fclose(f);
	}
	return id;
}
