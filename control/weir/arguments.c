#include "control/weir/arguments.h"

#include <errno.h>
#include <string.h>

#include "control/weir/help.h"
#include "control/weir/suggest.h"

enum { HELP_COLUMN = 30 };

static const struct argument *find(const struct arguments *a, const char *name, size_t bytes)
{
	for (size_t i = 0; i < a->count; i++)
		if (strlen(a->list[i].name) == bytes && memcmp(a->list[i].name, name, bytes) == 0)
			return &a->list[i];
	return NULL;
}

static const struct argument *find_letter(const struct arguments *a, char letter)
{
	for (size_t i = 0; i < a->count; i++)
		if (letter != '\0' && a->list[i].letter == letter)
			return &a->list[i];
	return NULL;
}

static bool needs_value(const struct argument *g)
{
	return g->value != NULL && g->value[0] != '[';
}

/* ---- help ---- */

void arguments_help(const struct arguments *a, FILE *to)
{
	fprintf(to, "usage: %s\n\n%s\nOptions\n", a->usage, a->about);
	for (size_t i = 0; i < a->count; i++) {
		const struct argument *g = &a->list[i];
		int wide = g->letter != '\0' ? fprintf(to, "  -%c, ", g->letter)
					     : fprintf(to, "  ");

		wide += fprintf(to, "--%s%s%s", g->name,
				needs_value(g) ? " " : "", /* [=on|off] brings its own */
				g->value != NULL ? g->value : "");
		help_wrapped(g->help, wide, HELP_COLUMN, to);
	}
	fprintf(to, "%s\n", "  -h, --help                  this text");
	if (a->after != NULL)
		fprintf(to, "\n%s", a->after);
	if (a->example != NULL)
		fprintf(to, "\nExample\n%s\n", a->example);
}

/* ---- refusals ---- */

static enum arguments_end refuse_name(const struct arguments *a, const char *name, size_t bytes)
{
	char typed[64];
	struct suggest s;

	(void)snprintf(typed, sizeof(typed), "%.*s", (int)(bytes < 63 ? bytes : 63), name);
	suggest_begin(&s, typed);
	for (size_t i = 0; i < a->count; i++)
		suggest_offer(&s, a->list[i].name);
	fprintf(stderr, "%s: no such option: --%s\n", a->command, typed);
	if (s.best != NULL)
		fprintf(stderr, "  did you mean --%s?\n", s.best);
	else
		fprintf(stderr, "  see %s --help\n", a->command);
	return ARGUMENTS_REFUSED;
}

static enum arguments_end refuse_letter(const struct arguments *a, const char *word)
{
	fprintf(stderr, "%s: no such option: %.80s\n  see %s --help\n", a->command, word,
		a->command);
	return ARGUMENTS_REFUSED;
}

static enum arguments_end refuse_value(const struct arguments *a, const struct argument *g,
				       const char *value, const char *why)
{
	fprintf(stderr, "%s: --%s%s%.80s: %s\n", a->command, g->name, value != NULL ? " " : "",
		value != NULL ? value : "", why);
	return ARGUMENTS_REFUSED;
}

/* ---- taking ---- */

/* take_one - `inner` is what stood behind = or the letter, NULL if nothing did. */
static enum arguments_end take_one(const struct arguments *a, const struct argument *g,
				   const char *inner, int argc, char **argv, int *i, void *user)
{
	const char *value = inner;

	if (g->value == NULL && inner != NULL)
		return refuse_value(a, g, inner, "it takes no value");
	if (needs_value(g) && value == NULL) {
		if (*i + 1 >= argc)
			return refuse_value(a, g, NULL, "it needs a value");
		value = argv[++*i];
	}
	if (g->take(value, user) < 0)
		return refuse_value(a, g, value, g->wanted);
	return ARGUMENTS_TAKEN;
}

static enum arguments_end take_word(const struct arguments *a, int argc, char **argv, int *i,
				    void *user)
{
	const char *word = argv[*i];
	const struct argument *g;
	const char *equals;
	size_t bytes;

	if (word[1] != '-') {
		g = find_letter(a, word[1]);
		return g == NULL ? refuse_letter(a, word)
				 : take_one(a, g, word[2] != '\0' ? word + 2 : NULL, argc, argv, i,
					    user);
	}
	equals = strchr(word, '=');
	bytes = equals != NULL ? (size_t)(equals - word - 2) : strlen(word + 2);
	g = find(a, word + 2, bytes);
	return g == NULL ? refuse_name(a, word + 2, bytes)
			 : take_one(a, g, equals != NULL ? equals + 1 : NULL, argc, argv, i, user);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int arguments_behind(int argc, char *const *argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return argc - i - 1;
	return 0;
}

enum arguments_end arguments_take(const struct arguments *a, int argc, char **argv, void *user,
				  int *ret_operands)
{
	int operands = 0;
	bool options = true;

	for (int i = 0; i < argc; i++) {
		enum arguments_end end;

		if (!options || argv[i][0] != '-' || argv[i][1] == '\0') {
			argv[operands++] = argv[i];
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			options = false;
			continue;
		}
		if (is_help(argv[i]) && find_letter(a, 'h') == NULL) {
			arguments_help(a, stdout);
			return ARGUMENTS_HELP;
		}
		end = take_word(a, argc, argv, &i, user);
		if (end != ARGUMENTS_TAKEN)
			return end;
	}
	*ret_operands = operands;
	return ARGUMENTS_TAKEN;
}
