/* codec - a compression that an input may come in.
 *
 * One file per codec defines `const struct codec codec_<name>`; rx/meson.build lists those whose
 * library is there. What a codec sees is hostile: it may say "corrupt" at any byte, and never needs
 * more memory than its format's window.
 */
#ifndef DATAPLANE_RX_CODEC_H
#define DATAPLANE_RX_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codec_state {
	CODEC_INSIDE,  /* ending here would be too early */
	CODEC_WHOLE,   /* the compressed data may end here */
	CODEC_CORRUPT, /* for good */
};

/* What one step reads from and writes to; the codec moves both on. */
struct codec_step {
	const uint8_t *in;
	size_t in_bytes;
	uint8_t *out;
	size_t out_bytes;
};

enum { CODEC_MAGIC_BYTES = 4 };

struct codec {
	const char *name;
	bool (*recognise)(const uint8_t magic[CODEC_MAGIC_BYTES]);
	void *(*open)(void); /* NULL: no memory */
	/* step - go on until the input is used up or the output full. */
	enum codec_state (*step)(void *state, struct codec_step *s);
	void (*close)(void *state);
};

/* codec_find - the codec that begins with `magic`, or NULL. */
const struct codec *codec_find(const uint8_t magic[CODEC_MAGIC_BYTES]);

#endif
