/* Sounds in files: what a telephone speaks, and what it records.
 * Called by phone and exchange; calls libsndfile and libsamplerate, which only this file knows.
 * Owns the samples and open files. WAV and its relatives are converted to 8000 a second, one channel; a file whose name
 * ends in .ulaw, .alaw or .raw is G.711 bytes that pass untouched.
 */
#ifndef SIM_SOUND_H
#define SIM_SOUND_H

#include "law.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOUND_SECONDS_MAX 600

struct sound; /* something to speak */
struct sound_recorder;

/* Reads a file. -ENOENT and other errno of opening it, -EFBIG longer than SOUND_SECONDS_MAX, -EINVAL no sound. */
int sound_load(const char *path, struct sound **ret_sound);
void sound_destroy(struct sound *sound);

/* The next byte in this law; false at the end. */
bool sound_next(struct sound *sound, enum law law, uint8_t *ret_byte);

/* Begins a recording of bytes in this law; the file is there at once. Negative errno. */
int sound_record(const char *path, enum law law, struct sound_recorder **ret_recorder);

/* Adds bytes; false when the recording is as long as it may be, and takes no more. */
bool sound_take(struct sound_recorder *recorder, const uint8_t *bytes, size_t count);

/* Ends the recording; returns how many samples it has. NULL: 0. */
size_t sound_end(struct sound_recorder *recorder);

#endif
