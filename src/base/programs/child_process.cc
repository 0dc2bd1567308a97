// SPDX-License-Identifier: Apache-2.0
#include "base/programs/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "base/error.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr rlim_t most_messages = 1 << 16;

void limit_process(pid_t process, __rlimit_resource resource, rlim_t most) {
  const rlimit both{most, most};
  ::prlimit(process, resource, &both, nullptr);
}

}  // namespace

std::optional<Path> find_program(const std::string& name) {
  const char* folders = std::getenv("PATH");
  std::istringstream in(folders ? folders : "");
  std::error_code ignored;  // of folders that cannot be read
  for (std::string folder; std::getline(in, folder, ':');)
    if (Path program = Path(folder) / name; program.is_absolute() &&
                                            std::filesystem::is_regular_file(program, ignored) &&
                                            ::access(program.c_str(), X_OK) == 0)
      return program;
  return std::nullopt;
}

ChildProcess::ChildProcess(const Path& program, const std::vector<std::string>& words, const ChildLimits& limits) {
  int ends[2];
  messages_ = ::memfd_create("messages", MFD_CLOEXEC);
  if (messages_ < 0 || ::pipe2(ends, O_CLOEXEC) != 0) {
    if (messages_ >= 0) ::close(messages_);
    fail("cannot start {}: {}", program.string(), std::strerror(errno));
  }
  output_ = ends[0];
  const int error = spawn(program, words, ends[1], limits);
  ::close(ends[1]);
  if (error == 0) return;
  close();
  fail("cannot start {}: {}", program.string(), std::strerror(error));
}

ChildProcess::~ChildProcess() {
  stop();
  close();
}

size_t ChildProcess::read(char* out, size_t count) {
  size_t done = 0;
  while (done < count) {
    const ssize_t got = ::read(output_, out + done, count - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += got;
  }
  return done;
}

bool ChildProcess::wait() {
  while (!ended_ && ::waitpid(process_, &status_, 0) < 0 && errno == EINTR) {
  }
  ended_ = true;
  return status_ == 0;
}

void ChildProcess::stop() {
  if (!ended_) ::kill(process_, SIGKILL);
  wait();
}

std::string ChildProcess::messages() const {
  std::string text(most_messages, '\0');
  const ssize_t got = ::pread(messages_, text.data(), text.size(), 0);
  text.resize(std::max<ssize_t>(0, got));
  return text;
}

int ChildProcess::spawn(const Path& program, const std::vector<std::string>& words, int output,
                        const ChildLimits& limits) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, messages_, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  std::vector<char*> arguments, environment;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  for (char** entry = environ; *entry; ++entry)  // without FFREPORT, PYTHONPATH and others that programs obey
    for (const char* name : {"PATH=", "LD_LIBRARY_PATH=", "HOME="})
      if (std::strncmp(*entry, name, std::strlen(name)) == 0) environment.push_back(*entry);
  environment.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t usual;  // signals that this program ignores
  sigemptyset(&usual);
  for (const int signal : {SIGPIPE, SIGXFSZ}) sigaddset(&usual, signal);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const int error =
      ::posix_spawn(&process_, program.c_str(), &actions, &attributes, arguments.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    process_ = 0;
    return error;
  }
  limit_process(process_, RLIMIT_AS, limits.memory);
  limit_process(process_, RLIMIT_CPU, limits.processor_seconds);
  limit_process(process_, RLIMIT_FSIZE, most_messages);
  return 0;
}

void ChildProcess::close() const {
  ::close(output_);
  ::close(messages_);
}

std::string messages_as_line(const std::string& messages) {
  constexpr size_t most = 300;
  std::string line;
  for (const std::string& part : split(messages, '\n')) line += (line.empty() ? "" : "; ") + part;
  return shown(repaired_utf8(line.substr(0, most)));
}

}  // namespace loralens
