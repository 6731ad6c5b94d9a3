/* hpack - nghttp2's decoder, with a table that may be joined late. See hpack.h. */
#include "dissectors/hpack.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

enum {
	TABLE_BYTES = 4096, /* RFC 9113 6.5.2: the initial size */
	ENTRY_BYTES = 32,   /* RFC 7541 4.1: of an entry beside its name and value */
	NAME_BYTES = 1,
	ENTRIES = TABLE_BYTES / (ENTRY_BYTES + NAME_BYTES),
};

/* The name of an entry that was never seen: no sender can have it (RFC 9113 8.2.1). */
#define UNKNOWN '\1'

struct hpack {
	struct conn *conn;
	nghttp2_mem memory; /* nghttp2 keeps a pointer to it */
	nghttp2_hd_inflater *inflater;
	bool broken;
};

static void *take(size_t bytes, void *conn)
{
	return conn_take(conn, bytes);
}

static void give(void *at, void *conn)
{
	conn_give(conn, at);
}

static void *take_zeroed(size_t count, size_t bytes, void *conn)
{
	size_t all;

	return __builtin_mul_overflow(count, bytes, &all) ? NULL : conn_take(conn, all);
}

static void *resize(void *at, size_t bytes, void *conn)
{
	return at == NULL ? conn_take(conn, bytes) : conn_resize(conn, at, bytes);
}

static void drop_line(void *context, struct slice name, struct slice value)
{
	(void)context, (void)name, (void)value;
}

/* RFC 7541 6.2.1: a literal with incremental indexing and a new name. */
static void fill_with_unknown(struct hpack *h)
{
	static const uint8_t entry[] = { 0x40, NAME_BYTES, UNKNOWN, 0 };

	for (int i = 0; i < ENTRIES; i++)
		hpack_decode(h, slice_of(entry, sizeof(entry)), i == ENTRIES - 1, drop_line, NULL);
}

struct hpack *hpack_new(struct conn *c, bool late)
{
	struct hpack *h = conn_take(c, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->conn = c;
	h->memory = (nghttp2_mem){ c, take, give, take_zeroed, resize };
	if (nghttp2_hd_inflate_new2(&h->inflater, &h->memory) != 0) {
		conn_give(c, h);
		return NULL;
	}
	if (late)
		fill_with_unknown(h);
	return h;
}

void hpack_free(struct hpack *h)
{
	if (h == NULL)
		return;
	nghttp2_hd_inflate_del(h->inflater);
	conn_give(h->conn, h);
}

static void tell(const nghttp2_nv *line, hpack_line_fn *told, void *context)
{
	struct slice name = slice_of(line->name, line->namelen),
		     value = slice_of(line->value, line->valuelen);

	if (name.bytes == NAME_BYTES && name.at[0] == UNKNOWN)
		name = value = (struct slice){ 0 };
	told(context, name, value);
}

bool hpack_decode(struct hpack *h, struct slice piece, bool last, hpack_line_fn *line,
		  void *context)
{
	while (!h->broken) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, piece.at, piece.bytes,
						   last);

		if (n < 0) {
			h->broken = true;
			break;
		}
		piece = slice_after(piece, (size_t)n);
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
			tell(&nv, line, context);
		if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
			nghttp2_hd_inflate_end_headers(h->inflater);
			return true;
		}
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && piece.bytes == 0)
			return true;
	}
	return false;
}

void hpack_limit(struct hpack *h, uint32_t bytes)
{
	if (!h->broken && nghttp2_hd_inflate_change_table_size(h->inflater, bytes) != 0)
		h->broken = true;
}
