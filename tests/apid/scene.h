/* A scene for unit tests: store, event log, lines and calls on a loop that only turns when told, with a notebook of
 * what is asked and told.
 * Included by tests/apid/test_*.c. Owns everything in it, and a folder below /tmp.
 */
#ifndef SCENE_H
#define SCENE_H

#include "../common/check.h"
#include "calls.h"
#include "streams.h"

#define SCENE_NOTES 512

struct scene {
	uv_loop_t loop;
	char *folder;
	struct hs_config *config;
	struct store *store;
	struct eventlog *log;
	struct lines *lines;
	struct routes *routes;
	struct calls *calls;
	struct streams *streams;
	const char *boot_id;
	int64_t retention_ms;
	bool media_away;
	char *notes[SCENE_NOTES]; /* "ask leg.hangup l1 {...}", "tell call.ended {...}", in order */
	size_t notes_count, seen;
};

/* Opens the scene in its folder (made when NULL). The lines phone1 (201), phone2 (202), phone3, and the exchange lines
 * trunk1 and trunk2 are on hook. Routes: help (112), abroad (900.) and town (9.), which phone1 may dial. */
void scene_open(struct scene *scene);

/* Closes all but the folder; clean: as a stopped daemon does, else as kill -9 would. */
void scene_close(struct scene *scene, bool clean);

/* Closes and removes everything. */
void scene_end(struct scene *scene);

/* Turns the loop until everything is committed and told. */
void scene_turn(struct scene *scene);

/* Turns and expects the next notes: each must contain its text, in order; others between them are skipped. The last
 * argument is NULL. */
void scene_expect(struct scene *scene, ...);

/* Expects that no note since the last expectation contains the text. */
void scene_expect_none(struct scene *scene, const char *text);

/* Makes a phone's call come in; its leg. */
struct leg *scene_incoming(struct scene *scene, const char *line, const char *dialled);

/* mediad's answer to media.open for the newest leg of the call; the leg. */
struct leg *scene_media_opened(struct call *call);

/* The driver says that the leg ended, mediad that its audio is closed. */
void scene_leg_ends(struct leg *leg, enum hs_cause cause, bool by_far_end);

/* A key in the audio path, down and up. */
void scene_press(struct leg *leg, const char *digits);

#endif
