#include "filter.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#define UDP_HEADER 8
#define IPV4_SOURCE 12

size_t filter_build(const uint32_t *banned, size_t count, struct sock_filter ret_program[FILTER_MAX])
{
	struct sock_filter *at = ret_program;
	if (count > FILTER_BANNED)
		count = FILTER_BANNED;
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, UDP_HEADER);
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 3, 0, 1);
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0xf8, 0, 1);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	if (count) { /* only IPv4 has its source there */
		*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_NET_OFF);
		*at++ = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0);
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x40, 1, 0);
		*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
		*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_NET_OFF + IPV4_SOURCE);
	}
	for (size_t i = 0; i < count; i++) {
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(banned[i]), 0, 1);
		*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	}
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	return (size_t)(at - ret_program);
}

int filter_attach(int fd, const uint32_t *banned, size_t count)
{
	struct sock_filter program[FILTER_MAX];
	struct sock_fprog attach = {.len = (unsigned short)filter_build(banned, count, program), .filter = program};
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attach, sizeof(attach)) ? -errno : 0;
}
