/* Frames that go out on the audio edge.
 * Called by leg_stream, leg_channel, leg_player and hear; calls the bus. Owns nothing.
 */
#ifndef MEDIAD_AUDIO_H
#define MEDIAD_AUDIO_H

#include "bus.h"
#include "frame.h"

/* Sends one frame. audio NULL (the daemon stops): -EHOSTUNREACH. Else what hs_audio_send says. */
int audio_send(struct hs_audio *audio, uint64_t peer, const struct hs_frame *frame);

/* Sends a frame without audio: its grant and, unless NULL, a sentence. Nobody cares when it cannot be sent. */
void audio_say(struct hs_audio *audio, uint64_t peer, enum hs_frame_kind kind, const char *grant, const char *text);

#endif
