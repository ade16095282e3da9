/* Descriptions of tones: what is taken can be played, and parts lead to parts. */
#include "zone.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct zone_sound sound;
	struct zone_player player;
	char *text = calloc(1, bytes + 1);

	if (bytes)
		memcpy(text, data, bytes);
	if (!zone_parse(&sound, text)) {
		if (sound.count < 1 || sound.count > ZONE_PARTS)
			abort();
		for (int i = 0; i < sound.count; i++) {
			if (sound.parts[i].next < -1 || sound.parts[i].next >= sound.count ||
			    sound.parts[i].samples < 1)
				abort();
		}
		zone_play(&player, &sound);
		for (int i = 0; i < 2000; i++)
			zone_sample(&player);
	}
	free(text);
	return 0;
}
