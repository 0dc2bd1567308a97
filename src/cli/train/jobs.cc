// SPDX-License-Identifier: Apache-2.0
#include "cli/train/jobs.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>

#include "base/error.h"

namespace loralens {
namespace {

constexpr const char* program = "/proc/self/exe";

// The last line of a log that is not empty.
std::string last_line(const Path& log) {
  std::string text = std::filesystem::exists(log) ? read_file(log) : "";
  while (text.ends_with('\n')) text.pop_back();
  const auto start = text.rfind('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

// The processes that run jobs. The destructor stops those that still run.
class RunningJobs {
 public:
  explicit RunningJobs(const std::vector<Job>& jobs) : jobs_(jobs) {}
  RunningJobs(const RunningJobs&) = delete;
  RunningJobs& operator=(const RunningJobs&) = delete;
  ~RunningJobs() {
    for (const auto& [process, job] : running_) ::kill(process, SIGTERM);
    for (const auto& [process, job] : running_) ::waitpid(process, nullptr, 0);
  }

  int64_t count() const { return std::ssize(running_); }

  void start(size_t job) {
    const Path& file = jobs_[job].log;
    const int log = file.empty() ? ::fcntl(2, F_DUPFD_CLOEXEC, 3)
                                 : ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (log < 0 || nothing < 0)
      fail("cannot write {}: {}", file.empty() ? "standard error" : file.string(), std::strerror(errno));
    std::vector<std::string> words = {"loralens"};
    words.insert(words.end(), jobs_[job].arguments.begin(), jobs_[job].arguments.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t parent = ::getpid(), process = ::fork();
    if (process == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() == parent && ::dup2(nothing, 0) == 0 && ::dup2(nothing, 1) == 1 && ::dup2(log, 2) == 2)
        ::execv(program, arguments.data());
      ::_exit(127);
    }
    const int error = errno;
    ::close(log);
    ::close(nothing);
    if (process < 0) fail("cannot start a process for {}: {}", jobs_[job].name, std::strerror(error));
    running_[process] = job;
  }

  // Waits until a process ends. Error if its job failed.
  void wait() {
    int status = 0;
    const pid_t process = ::waitpid(-1, &status, 0);
    const auto ended = running_.find(process);
    if (ended == running_.end()) return;
    const Job& job = jobs_[ended->second];
    running_.erase(ended);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    const std::string why =
        WIFSIGNALED(status) ? fmt::format("ended by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)))
        : job.log.empty()   ? "failed, as said above"
                            : last_line(job.log);
    if (job.log.empty()) fail("{}: {}", job.name, why);
    fail("{}: {} (log: {})", job.name, why, job.log.string());
  }

 private:
  const std::vector<Job>& jobs_;
  std::map<pid_t, size_t> running_;
};

}  // namespace

void run_jobs(const std::vector<Job>& jobs, int64_t most, const std::function<void(int64_t)>& done) {
  RunningJobs processes(jobs);
  size_t started = 0;
  for (int64_t finished = 0; finished < std::ssize(jobs); done(++finished)) {
    while (started < jobs.size() && processes.count() < most) processes.start(started++);
    const int64_t before = processes.count();
    while (processes.count() == before) processes.wait();
  }
}

}  // namespace loralens
