/* An end that is RTP towards a SIP party.
 * Called by serve and, through its kind, by session and other ends; calls rtp_socket, packet, offer, digits, figures,
 * frames, mix and leg_player. Owns its sockets, ports and player.
 *
 * Whose packets count: without NAT only the signalled address's. With NAT the first valid packet that comes from the
 * host the signalling came from, within 5 s of the description or of the first use after it (a phone that waits for the
 * answer sends nothing before); from then on only that address, until a new description. Audio goes to no other
 * address, and before the latch to the signalled one only if it is of the same host.
 *
 * What goes out: digits before sounds and tones before streams before the partner leg. The partner's packets are sent
 * on as they come; all else, and silence, is paced by the 20 ms clock. One SSRC, one sequence, one time line; a marker
 * where the source changes.
 */
#ifndef MEDIAD_LEG_RTP_H
#define MEDIAD_LEG_RTP_H

#include "end.h"
#include "offer.h"

/* A new leg with ports. peer: a host it will be reached by (unset: unknown); prefer 0: no preference. It belongs to the
 * session as soon as that took it. 0, -EAGAIN: no ports, or -errno. */
int leg_rtp_create(struct world *world, const char *id, const char *call, const struct address *peer,
		   enum hs_codec prefer, struct end **ret_end);

/* Takes up a leg that a predecessor left. It belongs to the session as soon as that took it. 0, or -errno: it is lost.
 */
int leg_rtp_restore(struct world *world, const char *id, struct end_record *found, size_t bytes, struct end **ret_end);

/* True for ends made here. */
bool leg_rtp_is(const struct end *end);

/* Our offer as last written, or a new one with a raised version when direction is given (0: none). It is in force when
 * the answer comes. Its length, or -EMSGSIZE. */
int leg_rtp_offer(struct end *end, enum hs_direction direction, char *ret_text, size_t size);

/* What the far end said. source: host the signalling came from. For an offer our answer is written. -EINVAL: ret_why
 * says what is wrong. */
int leg_rtp_describe(struct end *end, enum hs_description_role role, const struct offer *offer,
		     const struct address *source, bool nat, char *ret_answer, size_t size, char ret_why[OFFER_WHY]);

/* True once the far end said where it is. */
bool leg_rtp_is_described(const struct end *end);

#endif
