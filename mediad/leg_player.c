#include "leg_player.h"
#include "audio.h"
#include "cleanup.h"
#include "clock.h"
#include "kept.h"
#include "log.h"
#include "metrics.h"
#include "wav.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PLAYS_MAX = 16,                /* of one leg, in whatever state */
	WAITING_MAX = 60 * CODEC_RATE, /* samples that wait in all plays of a leg */
	UPLOAD_FIRST = 65536,
};
static const int64_t upload_timeout_us = 30000000;

enum play_state { PLAY_EXPECTED, PLAY_UPLOADING, PLAY_READING, PLAY_READY };

#define LAYOUT 0x4d500001U
#define PREFIX "sound."

/* A sound that is ready, as a successor finds it. */
struct sound_record {
	uint32_t layout; /* 0: it is being made */
	char leg[HS_ID_BYTES], play[HS_ID_BYTES];
	int codec;
	int64_t ready_at_us;      /* first ready, first played */
	uint64_t count, position; /* samples; those handed out */
	uint8_t bytes[];          /* G.711 */
};

const size_t leg_player_kept = sizeof(struct sound_record);

struct play {
	char id[HS_ID_BYTES];
	struct player *player;
	enum hs_upload_format format;
	enum play_state state;
	uint64_t peer; /* who uploads */
	uint32_t sequence;
	int64_t touched_at_us;
	uint8_t *upload;
	size_t bytes, room;
	struct sound_record *sound; /* once it is ready */
	struct play *next;
};

struct player {
	struct end *leg;
	struct world *world;
	struct play *plays; /* in any order; the ready ones stand in the order in which they became ready */
	int count;
};

/* What goes to the worker thread and comes back: nothing in it is shared. */
struct reading {
	uv_work_t work;
	struct world *world;
	char play[HS_ID_BYTES];
	uint64_t peer;
	enum hs_upload_format format;
	enum hs_codec want;
	uint8_t *upload;
	size_t bytes;
	struct sound sound;
	int result;
	const char *why;
};

struct player *player_create(struct end *leg)
{
	struct player *player = hs_zalloc(sizeof *player);
	player->leg = leg;
	player->world = leg->world;
	return player;
}

static void append(struct player *player, struct play *play)
{
	struct play **at = &player->plays;
	while (*at)
		at = &(*at)->next;
	play->next = NULL;
	*at = play;
}

static void unlink_play(struct player *player, const struct play *play)
{
	for (struct play **at = &player->plays; *at; at = &(*at)->next) {
		if (*at != play)
			continue;
		*at = play->next;
		return;
	}
}

static void sound_name(const char *play, char ret_name[HS_KEEP_NAME])
{
	snprintf(ret_name, HS_KEEP_NAME, PREFIX "%.*s", HS_FRAME_GRANT_BYTES, play);
}

static void drop_sound(struct world *world, struct sound_record *sound)
{
	char name[HS_KEEP_NAME];
	sound_name(sound->play, name);
	kept_unmap(world, name, sound, sizeof *sound + sound->count);
}

static void end_play(struct play *play, bool completed)
{
	struct player *player = play->player;
	struct world *world = player->world;
	int64_t played_ms = play->sound ? (int64_t)(play->sound->position / CODEC_SAMPLES_PER_MS) : 0;
	unlink_play(player, play);
	player->count--;
	hs_table_remove(world->plays, play->id);
	world->report->played(world->report_context, player->leg, play->id, played_ms, completed);
	free(play->upload);
	if (play->sound)
		drop_sound(world, play->sound);
	free(play);
}

int player_expect(struct player *player, const char *play_id, enum hs_upload_format format)
{
	struct play *play = hs_table_get(player->world->plays, play_id);
	if (play)
		return play->player == player ? 0 : -EEXIST;
	if (player->count == PLAYS_MAX)
		return -EBUSY;
	play = hs_zalloc(sizeof *play);
	hs_copy(play->id, sizeof play->id, play_id);
	play->player = player;
	play->format = format;
	play->touched_at_us = hs_clock_us();
	append(player, play);
	player->count++;
	hs_table_put(player->world->plays, play->id, play);
	return 0;
}

/* ---- Uploads ---- */

static int keep_bytes(struct play *play, const uint8_t *bytes, size_t count, const char **ret_why)
{
	if (count == 0)
		return 0;
	if (play->bytes + count > WAV_MAX_BYTES) {
		*ret_why = "the upload is larger than 1 MiB";
		return -EINVAL;
	}
	if (play->bytes + count > play->room) {
		size_t room = play->room ? 2 * play->room : UPLOAD_FIRST;
		while (room < play->bytes + count)
			room *= 2;
		play->upload = hs_resize(play->upload, room, 1);
		play->room = room;
	}
	memcpy(play->upload + play->bytes, bytes, count);
	play->bytes += count;
	return 0;
}

static void read_upload(uv_work_t *work)
{
	struct reading *reading = work->data;
	reading->result = wav_read(reading->upload, reading->bytes, reading->format, reading->want, &reading->sound,
				   &reading->why);
}

static size_t waiting_samples(const struct player *player)
{
	size_t samples = 0;
	for (const struct play *play = player->plays; play; play = play->next)
		samples += play->sound ? play->sound->count - play->sound->position : 0;
	return samples;
}

static void keep_sound(struct play *play, const struct sound *read)
{
	struct world *world = play->player->world;
	char name[HS_KEEP_NAME];
	bool is_found;
	sound_name(play->id, name);
	struct sound_record *sound = kept_map(world, name, sizeof *sound + read->count, &is_found);
	hs_copy(sound->leg, sizeof sound->leg, play->player->leg->id);
	hs_copy(sound->play, sizeof sound->play, play->id);
	sound->codec = (int)read->codec;
	sound->ready_at_us = hs_clock_us();
	sound->count = read->count;
	if (read->count)
		memcpy(sound->bytes, read->bytes, read->count);
	atomic_signal_fence(memory_order_release);
	sound->layout = LAYOUT;
	play->sound = sound;
	play->state = PLAY_READY;
}

static void take_over(struct play *play, struct reading *reading)
{
	struct player *player = play->player;
	char length[24];
	keep_sound(play, &reading->sound);
	unlink_play(player, play);
	append(player, play); /* first ready, first played */
	hs_metric_add(player->world->meters.uploads_read, 1);
	snprintf(length, sizeof length, "%zu", reading->sound.count / CODEC_SAMPLES_PER_MS);
	audio_say(player->world->audio, reading->peer, HS_FRAME_ACCEPTED, play->id, length);
	player->leg->kind->stir(player->leg);
}

static void refuse(struct play *play, const struct reading *reading, const char *why)
{
	struct world *world = play->player->world;
	hs_metric_add(world->meters.uploads_refused, 1);
	hs_log(INFO, "upload.refused", LOG_CALL(end_call(play->player->leg)), LOG_LEG(play->player->leg->id),
	       LOG_WHY(why));
	audio_say(world->audio, reading->peer, HS_FRAME_REFUSED, play->id, why);
	end_play(play, false);
}

/* Back on the loop. The play may be gone: its leg ended or it was stopped. */
static void upload_was_read(uv_work_t *work, int status)
{
	struct reading *reading = work->data;
	struct play *play = hs_table_get(reading->world->plays, reading->play);
	if (!play || play->state != PLAY_READING)
		audio_say(reading->world->audio, reading->peer, HS_FRAME_REFUSED, reading->play,
			  "the leg ended before the upload was read");
	else if (reading->result < 0 || status < 0)
		refuse(play, reading, reading->why ? reading->why : "the suite stops");
	else if (waiting_samples(play->player) + reading->sound.count > WAITING_MAX)
		refuse(play, reading, "60 s of audio already wait to be played");
	else
		take_over(play, reading);
	reading->world->readings--;
	free(reading->upload);
	free(reading->sound.bytes);
	free(reading);
}

static int begin_reading(struct play *play)
{
	struct reading *reading = hs_zalloc(sizeof *reading);
	struct world *world = play->player->world;
	hs_copy(reading->play, sizeof reading->play, play->id);
	reading->world = world;
	reading->peer = play->peer;
	reading->format = play->format;
	reading->want = play->player->leg->codec ? play->player->leg->codec : HS_CODEC_PCMU;
	reading->upload = play->upload;
	reading->bytes = play->bytes;
	reading->work.data = reading;
	play->upload = NULL;
	play->state = PLAY_READING;
	world->readings++;
	uv_queue_work(world->loop, &reading->work, read_upload, upload_was_read);
	return 0;
}

static int refuse_upload(struct play *play, const char *why)
{
	hs_metric_add(play->player->world->meters.uploads_refused, 1);
	end_play(play, false);
	return -EINVAL;
}

int player_upload(struct world *world, uint64_t peer, const struct hs_frame *frame, const char **ret_why)
{
	struct play *play = hs_table_get(world->plays, frame->grant);
	if (!play || (play->state == PLAY_UPLOADING && play->peer != peer)) {
		*ret_why = "there is no upload under this grant";
		return -EINVAL;
	}
	if (play->state > PLAY_UPLOADING) {
		*ret_why = "the upload is already complete";
		return -EINVAL;
	}
	if (play->state == PLAY_EXPECTED) {
		play->state = PLAY_UPLOADING;
		play->peer = peer;
		play->sequence = frame->sequence;
	}
	play->touched_at_us = hs_clock_us();
	*ret_why = "a frame of the upload is missing";
	if (frame->sequence != play->sequence++)
		return refuse_upload(play, *ret_why);
	if (keep_bytes(play, frame->payload, frame->payload_bytes, ret_why) < 0)
		return refuse_upload(play, *ret_why);
	return frame->last ? begin_reading(play) : 0;
}

void player_abandon(struct world *world, uint64_t peer, const char *play_id)
{
	struct play *play = hs_table_get(world->plays, play_id);
	if (play && play->state == PLAY_UPLOADING && play->peer == peer)
		end_play(play, false);
}

/* ---- A predecessor's ---- */

static bool is_sane(const struct sound_record *sound, size_t bytes)
{
	return bytes >= sizeof *sound && sound->layout == LAYOUT && sound->count == bytes - sizeof *sound &&
	       sound->position < sound->count && (sound->codec == HS_CODEC_PCMU || sound->codec == HS_CODEC_PCMA) &&
	       memchr(sound->leg, 0, sizeof sound->leg) && memchr(sound->play, 0, sizeof sound->play);
}

static void insert(struct player *player, struct play *play)
{
	struct play **at = &player->plays;
	while (*at && (*at)->sound->ready_at_us <= play->sound->ready_at_us)
		at = &(*at)->next;
	play->next = *at;
	*at = play;
}

struct restoring {
	struct world *world;
	struct end *(*find)(void *context, const char *leg);
	void *context;
};

static void take_up(void *context, const char *name, void *memory, size_t bytes)
{
	const struct restoring *restoring = context;
	struct sound_record *sound = memory;
	struct end *leg = is_sane(sound, bytes) ? restoring->find(restoring->context, sound->leg) : NULL;
	if (!leg || leg->player->count == PLAYS_MAX) {
		kept_unmap(restoring->world, name, memory, bytes);
		return;
	}
	struct play *play = hs_zalloc(sizeof *play);
	hs_copy(play->id, sizeof play->id, sound->play);
	play->player = leg->player;
	play->state = PLAY_READY;
	play->sound = sound;
	insert(leg->player, play);
	leg->player->count++;
	hs_table_put(restoring->world->plays, play->id, play);
}

void player_restore(struct world *world, struct end *(*find)(void *context, const char *leg), void *context)
{
	struct restoring restoring = {world, find, context};
	kept_each_map(world, PREFIX, take_up, &restoring);
}

/* ---- Playing ---- */

void player_tone(struct player *player, enum hs_tone tone)
{
	struct end_record *record = player->leg->record;
	if (record->tone == (int)tone)
		return;
	record->tone = (int)tone;
	record->tone_position = 0;
	player->leg->kind->stir(player->leg);
}

static void drop_all(struct player *player)
{
	while (player->plays)                   /* end_play takes it off the list, which the analyzer cannot see */
		end_play(player->plays, false); /* NOLINT(clang-analyzer-unix.Malloc) */
}

void player_stop(struct player *player)
{
	drop_all(player);
	player->leg->kind->stir(player->leg);
}

static struct play *ready(const struct player *player)
{
	for (struct play *play = player->plays; play; play = play->next)
		if (play->state == PLAY_READY)
			return play;
	return NULL;
}

static bool has_tone(const struct player *player)
{
	return player->leg->record->tone && player->leg->record->tone != HS_TONE_NONE;
}

bool player_busy(const struct player *player)
{
	return ready(player) || has_tone(player);
}

static void take_sound(struct play *play, enum hs_codec codec, uint8_t *ret_frame)
{
	struct sound_record *sound = play->sound;
	size_t left = sound->count - sound->position, count = left < CODEC_FRAME ? left : CODEC_FRAME;
	memcpy(ret_frame, sound->bytes + sound->position, count);
	hs_law_convert((enum hs_codec)sound->codec, codec, ret_frame, count);
	memset(ret_frame + count, hs_law_silence(codec), CODEC_FRAME - count);
	sound->position += count;
	if (sound->position == sound->count)
		end_play(play, true);
}

bool player_take(struct player *player, enum hs_codec codec, uint8_t ret_frame[CODEC_FRAME])
{
	struct play *play = ready(player);
	if (play) {
		take_sound(play, codec, ret_frame);
		return true;
	}
	if (!has_tone(player))
		return false;
	struct end_record *record = player->leg->record;
	tones_fill(player->world->tones, (enum hs_tone)record->tone, record->tone_position, codec, ret_frame);
	record->tone_position += CODEC_FRAME;
	return true;
}

static bool is_stale(const struct play *play, int64_t now_us)
{
	return play->state <= PLAY_UPLOADING && now_us - play->touched_at_us > upload_timeout_us;
}

void player_tick(struct player *player, int64_t now_us)
{
	for (struct play *play = player->plays, *next; play; play = next) {
		next = play->next;
		if (is_stale(play, now_us))
			end_play(play, false);
	}
}

void player_destroy(struct player *player)
{
	if (!player)
		return;
	drop_all(player);
	free(player);
}
