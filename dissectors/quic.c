/* quic - the hellos in QUIC's Initial packets (RFC 9000, RFC 9001, RFC 9369).
 *
 * Understood: Initial packets of version 1, version 2 and the late drafts, whose keys follow from a
 * connection id in the clear (RFC 9001 5.2); several packets in a datagram; CRYPTO frames in any
 * order, over several datagrams; Retry. The ClientHello is the request, the ServerHello its
 * response, told as in tls.c.
 *
 * Left alone: everything else of QUIC, which nobody on the way can read; versions whose salt is not
 * known; the hellos of connections whose first packet was not captured.
 *
 *     1 1 type(2) … pn length(2) | version 4 | n, destination id | n, source id | n, token | length
 * | pn | payload
 *
 * Only what authenticates is read (AES-128-GCM), so bytes that look like QUIC can put no word into
 * a record: they would have to be encrypted as QUIC is.
 */
#include <nettle/aes.h>
#include <nettle/gcm.h>
#include <nettle/hkdf.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <string.h>

#include "dissectors/tls_hello.h"

enum {
	ID_BYTES_MAX = 20,       /* RFC 9000 17.2 */
	CLIENT_ID_BYTES_MIN = 8, /* of the destination id that a client makes up (RFC 9000 7.2) */
	SECRET_BYTES = SHA256_DIGEST_SIZE,
	KEY_BYTES = AES128_KEY_SIZE,
	IV_BYTES = GCM_IV_SIZE,
	TAG_BYTES = GCM_DIGEST_SIZE,
	SAMPLE_BYTES = 16,
	SALT_BYTES = 20,
	PAYLOAD_BYTES_MAX =
		2048,     /* of an Initial packet: they travel before the path's MTU is known */
	FAILURES_MAX = 8, /* packets that do not authenticate; then nobody looks any more */
	HELLO_BYTES_MAX = 16384,
	RANGES = 16,
	HANDSHAKES_MAX = 4, /* of a side: a retry asks for a second ClientHello */
};

/* ---- versions ---- */

struct quic_version {
	uint32_t number;
	const char *name;
	uint8_t salt[SALT_BYTES];
	const char *key, *iv, *hp; /* labels of RFC 9001 5.1 */
	uint8_t initial, retry;    /* packet types */
};

#define LABELS_1 "quic key", "quic iv", "quic hp", 0, 3
#define LABELS_2 "quicv2 key", "quicv2 iv", "quicv2 hp", 1, 0
#define SALT_29                                                                                    \
	{                                                                                          \
		0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c,      \
			0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99                                   \
	}

/* clang-format off */
static const struct quic_version versions[] = {
	{ 0x00000001, "1", { 0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
			     0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a }, LABELS_1 },
	{ 0x6b3343cf, "2", { 0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
			     0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9 }, LABELS_2 },
	{ 0xff00001d, "draft-29", SALT_29, LABELS_1 },
	{ 0xff00001e, "draft-30", SALT_29, LABELS_1 },
	{ 0xff00001f, "draft-31", SALT_29, LABELS_1 },
	{ 0xff000020, "draft-32", SALT_29, LABELS_1 },
};
/* clang-format on */

static const struct quic_version *version_find(uint32_t number)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i].number == number)
			return &versions[i];
	return NULL;
}

/* ---- state ---- */

/* What protects one side's Initial packets. */
struct keys {
	uint8_t key[KEY_BYTES], iv[IV_BYTES], hp[KEY_BYTES];
};

/* The CRYPTO frames of one side put together: bytes that have come, as disjoint ranges in order. */
struct crypto {
	uint8_t at[HELLO_BYTES_MAX];
	uint32_t ranges;
	struct {
		uint32_t from, to;
	} range[RANGES];
};

struct quic_side {
	struct crypto *crypto; /* NULL: nothing had to be kept */
	uint32_t read;         /* bytes of its stream that have been read */
	uint32_t handshakes;   /* messages among them */
};

struct quic_conn {
	struct quic_side side[2];
	struct keys keys[2]; /* the client's, the server's */
	const struct quic_version *version;
	uint32_t failures;
	enum side client;
	bool keyed, done;
};

static void end_reading(struct conn *c)
{
	((struct quic_conn *)conn_state(c))->done = true;
	conn_become(c, NULL);
}

/* ---- headers ---- */

struct header {
	const struct quic_version *version;
	struct slice destination, source;
	struct slice packet; /* from its first byte to its last */
	size_t number_at;    /* of the packet number in it */
	uint8_t type;
};

/* RFC 9000 16: the two highest bits say how many bytes. */
static uint64_t varint(struct cursor *c)
{
	uint8_t first = cursor_u8(c);

	return (uint64_t)(first & 0x3f) << 8 * ((1u << (first >> 6)) - 1) |
	       cursor_be(c, (1u << (first >> 6)) - 1);
}

static bool is_id(struct slice id)
{
	return id.bytes <= ID_BYTES_MAX;
}

/* RFC 9000 17.2: form bit, version, ids (the fixed bit may be any, RFC 9287). Of what follows only
 * Initial packets are of interest; 0-RTT and Handshake have a length too. Returns: false where no
 * such packet begins. */
static bool read_header(struct slice in, struct header *ret)
{
	struct cursor c = cursor_over(in);
	uint8_t first = cursor_u8(&c);
	struct header h = { .version = version_find(cursor_be32(&c)) };
	uint64_t bytes;

	h.destination = cursor_take(&c, cursor_u8(&c));
	h.source = cursor_take(&c, cursor_u8(&c));
	if (c.failed || first >> 7 != 1 || h.version == NULL || !is_id(h.destination) ||
	    !is_id(h.source))
		return false;
	h.type = first >> 4 & 3;
	if (h.type == h.version->retry) {
		*ret = h;
		return true;
	}
	if (h.type == h.version->initial)
		cursor_take(&c, (size_t)varint(&c));
	bytes = varint(&c);
	h.number_at = in.bytes - c.left.bytes;
	cursor_take(&c, (size_t)bytes);
	h.packet = slice_of(in.at, in.bytes - c.left.bytes);
	*ret = h;
	return !c.failed;
}

/* ---- keys ---- */

/* RFC 8446 7.1: HKDF-Expand-Label with an empty context. */
static void expand(const uint8_t secret[SECRET_BYTES], const char *label, uint8_t *ret,
		   size_t bytes)
{
	uint8_t info[64] = {
		0, (uint8_t)bytes, (uint8_t)(6 + strlen(label)), 't', 'l', 's', '1', '3', ' '
	};
	size_t n = 9;
	struct hmac_sha256_ctx h;

	memcpy(info + n, label, strlen(label));
	n += strlen(label) + 1; /* and the length of the context, which is 0 */
	hmac_sha256_set_key(&h, SECRET_BYTES, secret);
	hkdf_expand(&h, (nettle_hash_update_func *)hmac_sha256_update,
		    (nettle_hash_digest_func *)hmac_sha256_digest, SHA256_DIGEST_SIZE, n, info,
		    bytes, ret);
}

static void derive(struct quic_conn *q, const struct quic_version *v, struct slice id)
{
	static const char *const label[] = { "client in", "server in" };
	uint8_t initial[SECRET_BYTES], secret[SECRET_BYTES];
	struct hmac_sha256_ctx h;

	hmac_sha256_set_key(&h, SALT_BYTES, v->salt);
	hkdf_extract(&h, (nettle_hash_update_func *)hmac_sha256_update,
		     (nettle_hash_digest_func *)hmac_sha256_digest, SHA256_DIGEST_SIZE, id.bytes,
		     id.at, initial);
	for (int i = 0; i < 2; i++) {
		struct keys *k = &q->keys[i];

		expand(initial, label[i], secret, sizeof(secret));
		expand(secret, v->key, k->key, sizeof(k->key));
		expand(secret, v->iv, k->iv, sizeof(k->iv));
		expand(secret, v->hp, k->hp, sizeof(k->hp));
	}
	q->version = v;
	q->keyed = true;
}

/* ---- packets ---- */

struct opened {
	uint8_t payload[PAYLOAD_BYTES_MAX];
	size_t bytes;
};

/* RFC 9001 5.4.1: the mask takes the protection off the first byte, which says how long the number
 * is. */
static void unmask(const struct keys *k, const struct header *h, uint8_t *head, size_t *ret_bytes)
{
	struct aes128_ctx aes;
	uint8_t mask[AES_BLOCK_SIZE];
	size_t number_bytes;

	aes128_set_encrypt_key(&aes, k->hp);
	aes128_encrypt(&aes, sizeof(mask), mask, h->packet.at + h->number_at + 4);
	head[0] ^= mask[0] & 0x0f;
	number_bytes = (head[0] & 3u) + 1;
	for (size_t i = 0; i < number_bytes; i++)
		head[h->number_at + i] ^= mask[1 + i];
	*ret_bytes = h->number_at + number_bytes;
}

/* open_packet - RFC 9001 5.3: the header as it is without protection is what the payload is
 * authenticated with. The number's upper bytes are taken as 0: a hello does not come after 2^8
 * packets. Returns whether it is genuine. */
static bool open_packet(const struct keys *k, const struct header *h, struct opened *ret)
{
	uint8_t head[PAYLOAD_BYTES_MAX], nonce[IV_BYTES], tag[TAG_BYTES];
	struct gcm_aes128_ctx gcm;
	size_t head_bytes, sealed;

	if (h->packet.bytes < h->number_at + 4 + SAMPLE_BYTES || h->number_at + 4 > sizeof(head))
		return false;
	memcpy(head, h->packet.at, h->number_at + 4);
	unmask(k, h, head, &head_bytes);
	if (h->packet.bytes - head_bytes < TAG_BYTES ||
	    h->packet.bytes - head_bytes - TAG_BYTES > sizeof(ret->payload))
		return false;
	sealed = h->packet.bytes - head_bytes - TAG_BYTES;
	memcpy(nonce, k->iv, sizeof(nonce));
	for (size_t i = 0; i < head_bytes - h->number_at; i++)
		nonce[IV_BYTES - 1 - i] ^= head[head_bytes - 1 - i];
	gcm_aes128_set_key(&gcm, k->key);
	gcm_aes128_set_iv(&gcm, sizeof(nonce), nonce);
	gcm_aes128_update(&gcm, head_bytes, head);
	gcm_aes128_decrypt(&gcm, sealed, ret->payload, h->packet.at + head_bytes);
	gcm_aes128_digest(&gcm, sizeof(tag), tag);
	ret->bytes = sealed;
	return memeql_sec(tag, h->packet.at + head_bytes + sealed, sizeof(tag)) != 0;
}

/* open_of - a packet of `side`. A client's may be its first, or the first after a Retry: then its
 * destination id makes the keys. */
static bool open_of(struct quic_conn *q, enum side side, const struct header *h, struct opened *ret)
{
	if (q->keyed && q->version == h->version &&
	    open_packet(&q->keys[side != q->client], h, ret))
		return true;
	if (q->keyed && side != q->client)
		return false;
	struct quic_conn fresh = { .keyed = false };

	if (h->destination.bytes == 0)
		return false;
	derive(&fresh, h->version, h->destination);
	if (!open_packet(&fresh.keys[0], h, ret))
		return false;
	memcpy(q->keys, fresh.keys, sizeof(q->keys));
	q->version = h->version;
	q->client = side;
	q->keyed = true;
	return true;
}

/* ---- CRYPTO frames ---- */

/* ranges_add - [from, to) has come. Returns false if that would be more holes than are remembered.
 */
static bool ranges_add(struct crypto *k, uint32_t from, uint32_t to)
{
	uint32_t first = 0, last;

	while (first < k->ranges && k->range[first].to < from)
		first++;
	for (last = first; last < k->ranges && k->range[last].from <= to; last++) {
		from = k->range[last].from < from ? k->range[last].from : from;
		to = k->range[last].to > to ? k->range[last].to : to;
	}
	if (last == first && k->ranges == RANGES)
		return false;
	memmove(&k->range[first + 1], &k->range[last], (k->ranges - last) * sizeof(k->range[0]));
	k->ranges = k->ranges - (last - first) + 1;
	k->range[first].from = from;
	k->range[first].to = to;
	return true;
}

/* keep - until the rest of the message is there. First copy wins, as in TCP. */
static bool keep(struct conn *c, struct quic_side *s, uint64_t offset, struct slice data)
{
	uint32_t from = (uint32_t)offset, to;

	if (offset + data.bytes > HELLO_BYTES_MAX)
		return false;
	if (s->crypto == NULL)
		s->crypto = conn_take(c, sizeof(*s->crypto));
	if (s->crypto == NULL)
		return false;
	to = from + (uint32_t)data.bytes;
	for (uint32_t i = 0, at = from; i <= s->crypto->ranges && at < to; i++) {
		/* The bytes up to the next range are new. */
		uint32_t end = i < s->crypto->ranges && s->crypto->range[i].from < to
				       ? s->crypto->range[i].from
				       : to;

		if (at < end)
			memcpy(s->crypto->at + at, data.at + (at - from), end - at);
		if (i < s->crypto->ranges && s->crypto->range[i].to > at)
			at = s->crypto->range[i].to;
	}
	return ranges_add(s->crypto, from, to);
}

/* The handshake message at the front of `stream`. Returns its bytes; 0: it is not all there. */
static size_t whole_handshake(struct slice stream)
{
	struct cursor c = cursor_over(stream);

	cursor_u8(&c);
	cursor_take(&c, (size_t)cursor_be(&c, 3));
	return c.failed ? 0 : stream.bytes - c.left.bytes;
}

static struct message *begin(struct conn *c, enum side side, struct slice datagram,
			     enum message_kind kind, uint64_t key)
{
	return message_begin(c, side, datagram.at,
			     (struct message_open){ .kind = kind, .key = key });
}

static void tell_client(struct conn *c, enum side side, struct slice datagram, struct slice body,
			uint64_t key)
{
	const struct quic_version *v = ((struct quic_conn *)conn_state(c))->version;
	struct message *m = begin(c, side, datagram, MESSAGE_REQUEST, key);
	struct tls_client_hello h;

	message_text(m, FIELD_METHOD, slice_of("ClientHello", 11));
	message_text(m, FIELD_VERSION, slice_of(v->name, strlen(v->name)));
	if (tls_client_hello_read(body, &h))
		tls_client_hello_tell(m, &h, 'q');
	else
		message_flag(m, FLAG_anomaly);
	message_head(m, datagram.at + datagram.bytes);
	message_end(m, datagram.at + datagram.bytes);
}

static void tell_server(struct conn *c, enum side side, struct slice datagram, struct slice body,
			uint64_t key)
{
	struct message *m = begin(c, side, datagram, MESSAGE_RESPONSE, key);
	struct tls_server_hello h = { .is_retry = false };

	if (tls_server_hello_read(body, &h))
		tls_server_hello_tell(m, &h);
	else
		message_flag(m, FLAG_anomaly);
	message_head(m, datagram.at + datagram.bytes);
	message_end(m, datagram.at + datagram.bytes);
	if (!h.is_retry)
		end_reading(c);
}

static void tell(struct conn *c, enum side side, struct slice datagram, struct slice handshake)
{
	struct quic_conn *q = conn_state(c);
	struct slice body = slice_after(handshake, TLS_HANDSHAKE_HEADER_BYTES);
	uint64_t key = ++q->side[side].handshakes;

	if (handshake.at[0] == TLS_CLIENT_HELLO && side == q->client)
		tell_client(c, side, datagram, body, key);
	else if (handshake.at[0] == TLS_SERVER_HELLO && side != q->client)
		tell_server(c, side, datagram, body, key);
	else /* nothing else comes in Initial packets */
		end_reading(c);
	if (key >= HANDSHAKES_MAX && !q->done)
		end_reading(c);
}

/* tell_kept - the messages that are complete in what has been kept. */
static void tell_kept(struct conn *c, enum side side, struct slice datagram)
{
	struct quic_conn *q = conn_state(c);
	struct quic_side *s = &q->side[side];
	const struct crypto *k = s->crypto;
	size_t n;

	while (!q->done && k->ranges > 0 && k->range[0].from <= s->read &&
	       k->range[0].to > s->read) {
		struct slice stream = slice_of(k->at + s->read, k->range[0].to - s->read);

		n = whole_handshake(stream);
		if (n == 0)
			return;
		s->read += (uint32_t)n;
		tell(c, side, datagram, slice_of(stream.at, n));
	}
}

/* take_crypto - bytes of the stream. Mostly the whole hello is in one frame, and nothing needs to
 * be kept. */
static void take_crypto(struct conn *c, enum side side, struct slice datagram, uint64_t offset,
			struct slice data)
{
	struct quic_conn *q = conn_state(c);
	struct quic_side *s = &q->side[side];

	if (s->crypto == NULL && offset == s->read && data.bytes > 0 &&
	    whole_handshake(data) == data.bytes && offset + data.bytes <= HELLO_BYTES_MAX) {
		s->read += (uint32_t)data.bytes;
		tell(c, side, datagram, data);
		return;
	}
	if (offset + data.bytes <= s->read) /* sent again */
		return;
	if (!keep(c, s, offset, data)) {
		end_reading(c);
		return;
	}
	tell_kept(c, side, datagram);
}

enum frame { /* RFC 9000 19, those of Initial packets (17.2.2) */
	     FRAME_PADDING = 0,
	     FRAME_PING = 1,
	     FRAME_ACK = 2,
	     FRAME_ACK_ECN = 3,
	     FRAME_CRYPTO = 6,
	     FRAME_CLOSE = 0x1c,
};

static void pass_ack(struct cursor *f, bool ecn)
{
	uint64_t ranges;

	varint(f); /* largest */
	varint(f); /* delay */
	ranges = varint(f);
	varint(f); /* first range */
	for (uint64_t i = 0; i < 2 * ranges && !f->failed; i++)
		varint(f);
	for (int i = 0; i < 3 && ecn; i++)
		varint(f);
}

static void take_frames(struct conn *c, enum side side, struct slice datagram, struct slice payload)
{
	struct quic_conn *q = conn_state(c);

	for (struct cursor f = cursor_over(payload); f.left.bytes > 0 && !f.failed && !q->done;) {
		uint64_t offset;
		struct slice data;

		switch ((enum frame)varint(&f)) {
		case FRAME_PADDING:
		case FRAME_PING: break;
		case FRAME_ACK: pass_ack(&f, false); break;
		case FRAME_ACK_ECN: pass_ack(&f, true); break;
		case FRAME_CRYPTO:
			offset = varint(&f);
			data = cursor_take(&f, (size_t)varint(&f));
			if (!f.failed)
				take_crypto(c, side, datagram, offset, data);
			break;
		default: return; /* CONNECTION_CLOSE, or what must not be here */
		}
	}
}

/* ---- the contract ---- */

static size_t take(struct conn *c, enum side side, struct slice datagram)
{
	struct quic_conn *q = conn_state(c);
	struct opened opened;
	struct header h;
	size_t taken = 0;

	while (!q->done && read_header(slice_after(datagram, taken), &h) &&
	       h.type != h.version->retry) {
		bool is_initial = h.type == h.version->initial;

		if (is_initial && open_of(q, side, &h, &opened))
			take_frames(c, side, datagram, slice_of(opened.payload, opened.bytes));
		else if (is_initial && ++q->failures >= FAILURES_MAX)
			end_reading(c);
		taken += h.packet.bytes;
	}
	/* A short header, a version unknown: the connection goes on without us. */
	if (!q->done && taken == 0 && ++q->failures >= FAILURES_MAX)
		end_reading(c);
	return taken;
}

/* An Initial packet's header, as far as it is shown. */
static enum guess probe(struct slice first, uint16_t port_hint)
{
	struct cursor c = cursor_over(first);
	uint8_t byte = cursor_u8(&c);
	const struct quic_version *v = version_find(cursor_be32(&c));
	struct slice destination = cursor_take(&c, cursor_u8(&c)),
		     source = cursor_take(&c, cursor_u8(&c));

	(void)port_hint;
	if (c.failed || byte >> 6 != 3 || v == NULL || (byte >> 4 & 3) != v->initial)
		return GUESS_NO;
	return is_id(destination) && is_id(source) &&
			       (destination.bytes >= CLIENT_ID_BYTES_MIN || source.bytes > 0)
		       ? GUESS_YES
		       : GUESS_NO;
}

/* 2: `.` is any byte. The versions above, behind a first byte of a long header. */
static const struct pattern patterns[] = {
	{ "^[\\xc0-\\xff](\\x00\\x00\\x00\\x01|\\x6b\\x33\\x43\\xcf|\\xff\\x00\\x00[\\x1d-\\x20])["
	  "\\x00-\\x14]",
	  2 },
};

static const struct over_datagrams datagrams = {
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.probe = probe,
	.take = take,
};

const struct dissector dissector_quic = {
	.name = "quic",
	.proto = "quic",
	.title = "QUIC: the TLS handshake's hellos",
	.fields = tls_fields,
	.field_count = TLS_FIELD_COUNT,
	.conn_bytes = sizeof(struct quic_conn),
	.datagrams = &datagrams,
};
