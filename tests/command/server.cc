// SPDX-License-Identifier: Apache-2.0
// The program for command tests, which start it thousands of times and would otherwise spend most of their time on
// loading LibTorch. With --serve it receives commands on standard input, a Unix socket, and forks for each of them, one
// after another; with other arguments it is the program. tests/command/support.py is the client.
// Request: the number of bytes, the number of arguments (32 bits each, with three file descriptors: the command's
// standard input, output and error), then texts that end with a zero byte: the working folder, the arguments, the
// environment. Answer: the process's wait status (32 bits).
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

int program(int argc, char** argv);  // main() of src/cli/main.cc

namespace {

constexpr int peer = STDIN_FILENO;

struct Request {
  std::array<int, 3> streams{};
  uint32_t arguments = 0;
  std::string texts;
};

// Receives the head of a request with its file descriptors; false if the client is gone.
bool receive_head(Request& request, std::array<uint32_t, 2>& head) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof request.streams)];
  iovec part{head.data(), sizeof head};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(peer, &message, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof head) return false;
  const cmsghdr* sent = CMSG_FIRSTHDR(&message);
  if (!sent || sent->cmsg_type != SCM_RIGHTS || sent->cmsg_len != CMSG_LEN(sizeof request.streams)) return false;
  std::memcpy(request.streams.data(), CMSG_DATA(sent), sizeof request.streams);
  return true;
}

bool receive(Request& request) {
  std::array<uint32_t, 2> head{};
  if (!receive_head(request, head)) return false;
  request.arguments = head[1];
  request.texts.resize(head[0]);
  return recv(peer, request.texts.data(), head[0], MSG_WAITALL) == static_cast<ssize_t>(head[0]);
}

// Becomes the process of the command. The texts stay where they are, as a process's arguments and environment do.
[[noreturn]] void run(Request& request) {
  for (int stream = 0; stream < 3; ++stream) dup2(request.streams[stream], stream);
  std::vector<char*> texts;
  for (size_t at = 0; at < request.texts.size(); at += std::strlen(&request.texts[at]) + 1)
    texts.push_back(&request.texts[at]);
  if (chdir(texts[0]) != 0) std::_Exit(127);
  clearenv();
  for (size_t i = 1 + request.arguments; i < texts.size(); ++i) putenv(texts[i]);
  std::vector<char*> words(texts.begin() + 1, texts.begin() + 1 + request.arguments);
  words.push_back(nullptr);
  std::exit(program(static_cast<int>(request.arguments), words.data()));
}

int serve() {
  for (Request request; receive(request);) {
    const pid_t child = fork();
    if (child == 0) run(request);
    for (const int stream : request.streams) close(stream);
    int32_t status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child || send(peer, &status, sizeof status, 0) != sizeof status)
      return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return argc == 2 && std::strcmp(argv[1], "--serve") == 0 ? serve() : program(argc, argv);
}
