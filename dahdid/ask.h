/* Questions we ask mediad about our own legs, with deadlines.
 * Called by lift, ring and exchange; calls the bus. Owns nothing; a ticket can be forgotten with port_forget_question.
 */
#ifndef ASK_H
#define ASK_H

struct port;

/* The port was rung and answered: mediad is told what its audio is like. Where it refuses, PORT_MEDIA_FAILED happens.
 */
void ask_describe_answer(struct port *port);

/* The port begins a call: mediad opens a channel for it. Then the port has its grant, opened is called, and an answer
 * of apid that came earlier happens now. Where it refuses, PORT_MEDIA_FAILED happens. */
void ask_describe_offer(struct port *port, void (*opened)(struct port *port));

#endif
