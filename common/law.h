/* G.711: mu-law and A-law to linear and to each other, by table (ITU-T G.711). Pure.
 * Called by mediad, and by talk for operators who want another format; calls nobody. Owns constant tables only.
 * A value that goes to linear and back to the same law is the same value (but for mu-law's second zero, 0x7f).
 */
#ifndef HS_LAW_H
#define HS_LAW_H

#include "hs_proto.h"
#include <stddef.h>

#define CODEC_RATE 8000 /* samples a second */
#define CODEC_FRAME 160 /* samples, and bytes, of 20 ms */
#define CODEC_SAMPLES_PER_MS 8

/* Byte that stands for silence. */
uint8_t hs_law_silence(enum hs_codec codec);

/* 16-bit linear of one G.711 byte. */
int16_t hs_law_to_linear(enum hs_codec codec, uint8_t value);

/* Nearest G.711 byte of a 16-bit linear sample. */
uint8_t hs_law_from_linear(enum hs_codec codec, int16_t sample);

/* Turns bytes of one law into the other, in place; nothing happens when from and to are the same. */
void hs_law_convert(enum hs_codec from, enum hs_codec to, uint8_t *bytes, size_t count);

#endif
