#include "control/bench/grid.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/ensure.h"

void grid_put(struct grid *g, const char *format, ...)
{
	va_list list;

	if (g->count == g->room) {
		g->room = g->room == 0 ? 64 : 2 * g->room;
		g->text = reallocarray(g->text, g->room, sizeof(*g->text));
		ENSURE(g->text != NULL);
	}
	va_start(list, format);
	ENSURE(vasprintf(&g->text[g->count++], format, list) >= 0);
	va_end(list);
}

/* columns_of - characters, not bytes: letters of any script count as one. */
static size_t columns_of(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static bool is_left(const struct grid *g, size_t column)
{
	return (g->left >> column & 1) != 0;
}

static size_t widest(const struct grid *g, size_t column)
{
	size_t found = 0;

	for (size_t i = column; i < g->count; i += g->columns)
		found = columns_of(g->text[i]) > found ? columns_of(g->text[i]) : found;
	return found;
}

/* put_markdown - a | in a text would end its column. */
static void put_markdown(FILE *to, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("|\\<*_`", *text) != NULL)
			fputc('\\', to);
		fputc(*text, to);
	}
}

static void write_markdown(const struct grid *g, FILE *to)
{
	for (size_t i = 0; i < g->count; i++) {
		size_t column = i % g->columns;

		fputs(column == 0 ? "| " : " ", to);
		put_markdown(to, g->text[i]);
		fputs(column + 1 == g->columns ? " |\n" : " |", to);
		if (i + 1 == g->columns)
			for (size_t c = 0; c < g->columns; c++)
				fprintf(to, "|%s%s", is_left(g, c) ? "---" : "--:",
					c + 1 == g->columns ? "|\n" : "");
	}
}

static void write_plain(const struct grid *g, FILE *to)
{
	size_t blanks = 0;

	for (size_t i = 0; i < g->count; i++) {
		size_t column = i % g->columns, wide = columns_of(g->text[i]);
		size_t gap = widest(g, column) - wide;
		bool left = is_left(g, column);

		blanks += left ? 0 : gap;
		if (wide > 0) {
			fprintf(to, "%*s%s", (int)blanks, "", g->text[i]);
			blanks = 0;
		}
		blanks += 3 + (left ? gap : 0);
		if (column + 1 == g->columns) {
			fputc('\n', to);
			blanks = 0;
		}
	}
}

void grid_write(const struct grid *g, enum report_style style, FILE *to)
{
	if (style == REPORT_MARKDOWN)
		write_markdown(g, to);
	else
		write_plain(g, to);
}

void grid_fini(struct grid *g)
{
	for (size_t i = 0; i < g->count; i++)
		free(g->text[i]);
	free(g->text);
	*g = (struct grid){ .columns = g->columns, .left = g->left };
}
