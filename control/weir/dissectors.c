/* dissectors - `weir dissectors`: the protocols that weir reads, and the fields of their records.
 */
#include <stdio.h>
#include <string.h>

#include "control/weir/command.h"
#include "control/weir/suggest.h"
#include "dissectors/registry.h"

static const char *kind_name(enum field_kind kind)
{
	switch (kind) {
	case FIELD_TEXT: return "text";
	case FIELD_NUMBER: return "number";
	case FIELD_LIST: return "list";
	case FIELD_PAIRS: return "pairs";
	}
	return "";
}

static void print_dissector(const struct dissector *d)
{
	printf("%s: %s", d->name, d->title);
	if (strcmp(d->name, d->proto) != 0)
		printf(" (in records: %s)", d->proto);
	putchar('\n');
	for (uint32_t i = 0; i < d->field_count; i++)
		printf("  %-18s %-7s %s\n", d->fields[i].name, kind_name(d->fields[i].kind),
		       d->fields[i].meaning);
}

static void print_help(void)
{
	fputs("weir dissectors - the protocols that weir reads, and the fields of their records\n"
	      "\n"
	      "usage: weir dissectors [NAME...]\n"
	      "\n"
	      "Every protocol has method, target, code and version beside its own fields, which "
	      "are\n"
	      "listed in the order in which records show them.\n",
	      stdout);
}

static int refuse(const char *name)
{
	struct suggest s;

	suggest_begin(&s, name);
	for (uint32_t i = 0; i < dissector_count; i++)
		suggest_offer(&s, dissectors[i]->name);
	fprintf(stderr, "weir dissectors: no such dissector: %.80s\n", name);
	if (s.best != NULL)
		fprintf(stderr, "  did you mean %s?\n", s.best);
	return STATUS_USAGE;
}

int command_dissectors(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help();
			return STATUS_DONE;
		}
		if (dissector_find(argv[i]) == DISSECTOR_NONE)
			return refuse(argv[i]);
	}
	for (uint32_t i = 0; argc == 0 && i < dissector_count; i++)
		print_dissector(dissectors[i]);
	for (int i = 0; i < argc; i++)
		print_dissector(dissectors[dissector_find(argv[i])]);
	return STATUS_DONE;
}
