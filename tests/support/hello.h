/* hello - ClientHello and ServerHello in a line, for tests of tls and quic. */
#ifndef TESTS_SUPPORT_HELLO_H
#define TESTS_SUPPORT_HELLO_H

#include <stdint.h>
#include <string.h>

struct bytes {
	uint8_t at[16384];
	size_t n;
};

static inline void put(struct bytes *b, const void *data, size_t n)
{
	if (n > 0)
		memcpy(b->at + b->n, data, n);
	b->n += n;
}

static inline void put_be(struct bytes *b, uint64_t value, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0;)
		b->at[b->n++] = (uint8_t)(value >> 8 * i);
}

/* A vector: its length in `length_bytes`, then what it holds. */
static inline void put_vector(struct bytes *b, unsigned length_bytes, const struct bytes *v)
{
	put_be(b, v->n, length_bytes);
	put(b, v->at, v->n);
}

static inline void put_extension(struct bytes *list, uint16_t type, const struct bytes *data)
{
	put_be(list, type, 2);
	put_vector(list, 2, data);
}

static inline void put_u16s(struct bytes *list, uint16_t type, unsigned length_bytes,
			    const uint16_t *number, size_t count)
{
	struct bytes v = { .n = 0 }, data = { .n = 0 };

	for (size_t i = 0; i < count; i++)
		put_be(&v, number[i], 2);
	put_vector(&data, length_bytes, &v);
	put_extension(list, type, &data);
}

static inline void put_server_name(struct bytes *list, const char *name)
{
	struct bytes entry = { .n = 0 }, data = { .n = 0 };

	put_be(&entry, 0, 1);
	put_be(&entry, strlen(name), 2);
	put(&entry, name, strlen(name));
	put_vector(&data, 2, &entry);
	put_extension(list, 0, &data);
}

/* `names` with their length bytes: "\x02h2\x08http/1.1". */
static inline void put_alpn(struct bytes *list, const char *names)
{
	struct bytes v = { .n = 0 }, data = { .n = 0 };

	put(&v, names, strlen(names));
	put_vector(&data, 2, &v);
	put_extension(list, 16, &data);
}

/* put_handshake - type, length, body. */
static inline void put_handshake(struct bytes *b, uint8_t type, const struct bytes *body)
{
	put_be(b, type, 1);
	put_vector(b, 3, body);
}

static inline void put_client_hello(struct bytes *b, const uint16_t *cipher, size_t ciphers,
				    const struct bytes *session_id, const struct bytes *extensions)
{
	struct bytes body = { .n = 0 };

	put_be(&body, 0x0303, 2);
	for (int i = 0; i < 32; i++)
		put_be(&body, (uint64_t)i, 1);
	put_vector(&body, 1, session_id);
	put_be(&body, ciphers * 2, 2);
	for (size_t i = 0; i < ciphers; i++)
		put_be(&body, cipher[i], 2);
	put_be(&body, 0x0100, 2); /* one compression method: none */
	put_vector(&body, 2, extensions);
	put_handshake(b, 1, &body);
}

static inline void put_server_hello(struct bytes *b, uint16_t cipher,
				    const struct bytes *session_id, const uint8_t random[32],
				    const struct bytes *extensions)
{
	struct bytes body = { .n = 0 };

	put_be(&body, 0x0303, 2);
	put(&body, random, 32);
	put_vector(&body, 1, session_id);
	put_be(&body, cipher, 2);
	put_be(&body, 0, 1);
	put_vector(&body, 2, extensions);
	put_handshake(b, 2, &body);
}

/* put_records - `fragment` bytes of the handshake stream in each record. */
static inline void put_records(struct bytes *b, const struct bytes *stream, size_t fragment)
{
	for (size_t at = 0; at < stream->n; at += fragment) {
		size_t n = stream->n - at < fragment ? stream->n - at : fragment;

		put_be(b, 22, 1);
		put_be(b, 0x0301, 2);
		put_be(b, n, 2);
		put(b, stream->at + at, n);
	}
}

/* put_record - of any type. */
static inline void put_record(struct bytes *b, uint8_t type, const void *data, size_t n)
{
	put_be(b, type, 1);
	put_be(b, 0x0303, 2);
	put_be(b, n, 2);
	put(b, data, n);
}

#endif
