/* tables_only - the host of a process that reads dissectors' tables and never runs one.
 *
 * Control and the command print protocol and field names from the registry,
 * which leads the linker to the dissectors' code and from there to the host.
 * That code must never run outside the dataplane: whoever calls it there has made a
 * mistake of ours, and the process ends.
 */
#include "dataplane/base/ensure.h"
#include "dissectors/dissector.h"
#include "dissectors/hpack.h"

#define NEVER ensure_failed(__FILE__, __LINE__, "dissectors run in the dataplane only")

/* clang-format off */
void *conn_state(struct conn *c) { (void)c; NEVER; }
enum side conn_client(const struct conn *c) { (void)c; NEVER; }
void conn_client_is(struct conn *c, enum side s) { (void)c, (void)s; NEVER; }
bool conn_is_midstream(const struct conn *c, enum side s) { (void)c, (void)s; NEVER; }
bool conn_is_cut(const struct conn *c, enum side s) { (void)c, (void)s; NEVER; }
uint16_t conn_port(const struct conn *c, enum side s) { (void)c, (void)s; NEVER; }
void conn_need(struct conn *c, enum side s, size_t n) { (void)c, (void)s, (void)n; NEVER; }
bool conn_full(const struct conn *c, enum side s) { (void)c, (void)s; NEVER; }
void conn_skip(struct conn *c, enum side s, uint64_t n, struct message *m) { (void)c, (void)s, (void)n, (void)m; NEVER; }
void conn_wait_peer(struct conn *c, enum side s) { (void)c, (void)s; NEVER; }
bool conn_waited(const struct conn *c, enum side s) { (void)c, (void)s; NEVER; }
void *conn_take(struct conn *c, size_t n) { (void)c, (void)n; NEVER; }
void conn_give(struct conn *c, void *m) { (void)c, (void)m; NEVER; }
void *conn_resize(struct conn *c, void *m, size_t n) { (void)c, (void)m, (void)n; NEVER; }
void conn_become_with(struct conn *c, const char *name, struct slice s) { (void)c, (void)name, (void)s; NEVER; }
struct slice conn_handed(const struct conn *c) { (void)c; NEVER; }
bool conn_request_key(struct conn *c, enum side s, const uint8_t *at, uint64_t key, uint64_t to) { (void)c, (void)s, (void)at, (void)key, (void)to; NEVER; }
bool conn_request_again(struct conn *c, enum side s, uint64_t key) { (void)c, (void)s, (void)key; NEVER; }
bool conn_request_close(struct conn *c, enum side s, uint64_t key, enum why why) { (void)c, (void)s, (void)key, (void)why; NEVER; }
bool message_proto(struct message *m, const struct dissector *d) { (void)m, (void)d; NEVER; }
void message_stream(struct message *m, uint64_t n) { (void)m, (void)n; NEVER; }
void message_body(struct message *m, struct slice s) { (void)m, (void)s; NEVER; }
struct slice message_told(const struct message *m, uint16_t f) { (void)m, (void)f; NEVER; }
uint64_t message_body_bytes(const struct message *m) { (void)m; NEVER; }
void message_mask(struct message *m, const uint8_t key[4]) { (void)m, (void)key; NEVER; }
void message_encoding(struct message *m, struct slice s) { (void)m, (void)s; NEVER; }
void message_inflate(struct message *m, struct inflate_window *w) { (void)m, (void)w; NEVER; }
void message_keep(struct message *m, uint32_t n) { (void)m, (void)n; NEVER; }
struct slice message_kept(const struct message *m) { (void)m; NEVER; }
void conn_become(struct conn *c, const char *name) { (void)c, (void)name; NEVER; }
enum request_known conn_request_note(struct conn *c, enum side s, const uint8_t *at, uint64_t key, uint64_t *ret) { (void)c, (void)s, (void)at, (void)key, (void)ret; NEVER; }
struct message *message_begin(struct conn *c, enum side s, const uint8_t *at, struct message_open o) { (void)c, (void)s, (void)at, (void)o; NEVER; }
void message_note(struct message *m, uint64_t note) { (void)m, (void)note; NEVER; }
bool message_wants(const struct message *m, uint16_t f) { (void)m, (void)f; NEVER; }
void message_text(struct message *m, uint16_t f, struct slice v) { (void)m, (void)f, (void)v; NEVER; }
void message_pair(struct message *m, uint16_t f, struct slice n, struct slice v) { (void)m, (void)f, (void)n, (void)v; NEVER; }
void message_number(struct message *m, uint16_t f, uint64_t v) { (void)m, (void)f, (void)v; NEVER; }
void message_flag(struct message *m, enum flag f) { (void)m, (void)f; NEVER; }
void message_failed(struct message *m) { (void)m; NEVER; }
void message_head(struct message *m, const uint8_t *end) { (void)m, (void)end; NEVER; }
void message_end(struct message *m, const uint8_t *end) { (void)m, (void)end; NEVER; }
/* helpers with a library */
struct hpack *hpack_new(struct conn *c, bool late) { (void)c, (void)late; NEVER; }
void hpack_free(struct hpack *h) { (void)h; NEVER; }
bool hpack_decode(struct hpack *h, struct slice piece, bool last, hpack_line_fn *line, void *x) { (void)h, (void)piece, (void)last, (void)line, (void)x; NEVER; }
void hpack_limit(struct hpack *h, uint32_t bytes) { (void)h, (void)bytes; NEVER; }
/* clang-format on */
