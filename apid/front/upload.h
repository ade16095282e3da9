/* Uploads: the audio of POST .../audio on its way to mediad.
 * Called by rest; calls audio. Owns the upload from its grant to mediad's verdict.
 * The client gets its answer only after mediad has accepted or refused: so 202 means that it will be heard.
 */
#ifndef FRONT_UPLOAD_H
#define FRONT_UPLOAD_H

#include "rest.h"

#define UPLOAD_ACCEPTED "audio/wav, audio/basic, audio/PCMU or audio/PCMA"

/* The format a Content-Type names, or 0. Pure. */
enum hs_upload_format upload_format(const char *content_type);

/* Sends the request's body under the grant in apid's answer (play_id), then answers the request. */
void upload_begin(struct request *request, const struct hs_answer *answer);

/* The request is gone. NULL is fine. */
void upload_destroy(struct upload *upload);

#endif
