// SPDX-License-Identifier: Apache-2.0
#include "audio/ffmpeg.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

#include "audio/container.h"
#include "base/error.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr int64_t most_seconds = 24 * 3600;  // of audio in a file
constexpr rlim_t most_memory = rlim_t{4} << 30, most_processor_seconds = 3600, most_messages = 1 << 16;
constexpr int most_channels = 256;

struct Signature {
  size_t at;  // offset in the file
  std::string_view bytes;
  ForeignFormat format;
};

using namespace std::string_view_literals;

constexpr Signature signatures[] = {{4, "ftyp", {"MPEG-4 audio or video", "mov"}},
                                    {4, "moov", {"QuickTime video", "mov"}},
                                    {4, "mdat", {"QuickTime video", "mov"}},
                                    {0, "\x1a\x45\xdf\xa3", {"Matroska or WebM", "matroska"}},
                                    {0, "\x30\x26\xb2\x75", {"Windows Media", "asf"}},
                                    {0, "#!AMR", {"AMR", "amr"}},
                                    {0, "Creative Voice File", {"Creative Voice", "voc"}},
                                    {8, "AVI ", {"AVI", "avi"}},
                                    {0, "FLV", {"Flash video", "flv"}},
                                    {0, "MThd", {"MIDI", ""}},
                                    {0, "wvpk", {"WavPack", "wv"}},
                                    {0, "MAC ", {"Monkey's Audio", "ape"}},
                                    {0, "TTA1", {"True Audio", "tta"}},
                                    {0, ".RMF", {"RealMedia", "rm"}},
                                    {0, "MPCK", {"Musepack", "mpc8"}},
                                    {0, "\x0b\x77", {"AC-3", "ac3"}},
                                    {0, "\0\0\1\xba"sv, {"MPEG video", "mpeg"}}};

// Whether packets of an MPEG transport stream, of 188 bytes each, begin here.
bool is_transport_stream(std::string_view start) {
  constexpr size_t packet = 188;
  return start.size() > packet && start[0] == 'G' && start[packet] == 'G';
}

// Messages as one line, without the addresses in memory that ffmpeg prints ("[aac @ 0x55dc4fe8e200]").
std::string lines_of_one(const std::string& messages) {
  std::string line, text = messages;
  for (size_t at = text.find(" @ 0x"); at != std::string::npos; at = text.find(" @ 0x", at))
    text.erase(at, text.find_first_not_of("0123456789abcdef", at + 5) - at);
  for (const std::string& part : split(text, '\n')) line += (line.empty() ? "" : "; ") + part;
  constexpr size_t most = 300;
  return shown(repaired_utf8(line.substr(0, most)));
}

// Messages about damage, without those about a video stream, which is not decoded.
std::string about_audio(const std::string& messages) {
  std::string kept;
  for (const std::string& line : split(messages, '\n')) {
    const bool of_video = std::ranges::any_of(std::array{"[h264", "[hevc", "[mpeg4", "[mpeg1video", "[mpeg2video",
                                                         "[vp", "[av1", "[mjpeg", "[msmpeg4", "[wmv", "[vc1"},
                                              [&](const char* codec) { return line.starts_with(codec); });
    if (!of_video) kept += line + "\n";
  }
  return kept;
}

// A child process whose standard output is read through a pipe.
class Child {
 public:
  Child(const Path& program, const std::vector<std::string>& words) {
    int ends[2];
    messages_ = ::memfd_create("messages", MFD_CLOEXEC);
    if (messages_ < 0 || ::pipe2(ends, O_CLOEXEC) != 0) {
      if (messages_ >= 0) ::close(messages_);
      fail("cannot start {}: {}", program.string(), std::strerror(errno));
    }
    output_ = ends[0];
    const int error = spawn(program, words, ends[1]);
    ::close(ends[1]);
    if (error == 0) return;
    close();
    fail("cannot start {}: {}", program.string(), std::strerror(error));
  }
  ~Child() {
    stop();
    close();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Up to `count` bytes; fewer only at the end.
  size_t read(char* out, size_t count) {
    size_t done = 0;
    while (done < count) {
      const ssize_t got = ::read(output_, out + done, count - done);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += got;
    }
    return done;
  }

  // Waits for the end of the process: whether it ended with exit status 0.
  bool wait() {
    while (!ended_ && ::waitpid(process_, &status_, 0) < 0 && errno == EINTR) {
    }
    ended_ = true;
    return status_ == 0;
  }

  // Ends the process if it still runs.
  void stop() {
    if (!ended_) ::kill(process_, SIGKILL);
    wait();
  }

  // What the process wrote to standard error.
  std::string messages() const {
    std::string text(most_messages, '\0');
    const ssize_t got = ::pread(messages_, text.data(), text.size(), 0);
    text.resize(std::max<ssize_t>(0, got));
    return text;
  }

 private:
  int spawn(const Path& program, const std::vector<std::string>& words, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, messages_, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    std::vector<char*> arguments, environment;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    for (char** entry = environ; *entry; ++entry)  // without FFREPORT and other variables that ffmpeg obeys
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
    limit(RLIMIT_AS, most_memory);
    limit(RLIMIT_CPU, most_processor_seconds);
    limit(RLIMIT_FSIZE, most_messages);
    return 0;
  }

  void limit(__rlimit_resource resource, rlim_t most) const {
    const rlimit both{most, most};
    ::prlimit(process_, resource, &both, nullptr);
  }

  void close() const {
    ::close(output_);
    ::close(messages_);
  }

  pid_t process_ = 0;
  int output_ = -1, messages_ = -1, status_ = -1;  // status_ -1: not known
  bool ended_ = false;
};

// Reads the AU stream (big-endian header, 32-bit floats) that ffmpeg writes.
class FfmpegDecoder : public AudioDecoder {
 public:
  FfmpegDecoder(const Path& path, const ForeignFormat& format, const Path& program)
      : path_(path), format_(format), child_(program, command_of(path, format, program)) {
    std::array<char, 24> header{};
    const auto field = [&](size_t at) { return number_of(std::string_view(header.data() + at, 4), true); };
    constexpr uint64_t float_samples = 6;
    if (child_.read(header.data(), header.size()) < header.size()) end(/*cut=*/true);
    if (!std::string_view(header.data(), header.size()).starts_with(".snd")) fail_undecoded();
    rate = static_cast<int>(std::min<uint64_t>(field(16), INT32_MAX));
    channels = static_cast<int>(std::min<uint64_t>(field(20), most_channels + 1));
    if (field(12) != float_samples || channels > most_channels || field(4) < header.size()) fail_undecoded();
    for (uint64_t left = field(4) - header.size(); left > 0;) {  // a comment
      std::array<char, 4096> comment{};
      const size_t got = child_.read(comment.data(), std::min<uint64_t>(left, comment.size()));
      if (got == 0) fail_undecoded();
      left -= got;
    }
  }

  int64_t read(float* out, int64_t count) override {
    const size_t frame = channels * sizeof(float), wanted = count * frame;
    const size_t got = ended_ ? 0 : child_.read(reinterpret_cast<char*>(out), wanted);
    if constexpr (std::endian::native == std::endian::little)
      for (size_t i = 0; i < got / sizeof(float); ++i)
        out[i] = std::bit_cast<float>(__builtin_bswap32(std::bit_cast<uint32_t>(out[i])));
    if (got < wanted && !ended_) end(got % frame != 0);
    const auto frames_read = static_cast<int64_t>(got / frame);
    read_ += frames_read;
    if (read_ > most_seconds * rate)
      fail("{}: more than {} hours of audio: cut the file into pieces", path_.string(), most_seconds / 3600);
    return frames_read;
  }

  bool seek(int64_t frame) override { return false; }

 private:
  static std::vector<std::string> command_of(const Path& path, const ForeignFormat& format, const Path& program) {
    // file: and an absolute path, so that no name is taken for an option or for another protocol; the container is
    // given, so that no file is taken for a playlist that names other files.
    const std::string input = "file:" + std::filesystem::absolute(path).string();
    std::vector<std::string> words = {program.string(), "-nostdin", "-hide_banner", "-loglevel",
                                      "error",          "-xerror",  "-err_detect",  "crccheck+explode"};
    for (const char* word : {"-protocol_whitelist", "file,pipe", "-threads", "1", "-f"}) words.emplace_back(word);
    words.emplace_back(format.demuxer);
    words.insert(words.end(), {"-i", input});
    for (const char* word :
         {"-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"})
      words.emplace_back(word);
    return words;
  }

  // Called at the end of the output. cut: whether it ends within a frame.
  void end(bool cut) {
    ended_ = true;
    if (!child_.wait() || cut || !about_audio(child_.messages()).empty()) fail_undecoded();
  }

  [[noreturn]] void fail_undecoded() {
    child_.stop();
    const std::string messages = about_audio(child_.messages());
    if (messages.find("matches no streams") != std::string::npos)
      fail("{}: this is {} without an audio stream: leave it out", path_.string(), format_.name);
    fail("{}: this is {}, which ffmpeg cannot decode to its end ({}): copy the file again, or {}", path_.string(),
         format_.name, messages.empty() ? "it gave no reason" : lines_of_one(messages), how_to_convert(path_));
  }

  Path path_;
  ForeignFormat format_;
  Child child_;
  int64_t read_ = 0;  // frames so far
  bool ended_ = false;
};

}  // namespace

std::optional<ForeignFormat> foreign_format(std::string_view start) {
  for (const Signature& signature : signatures)
    if (start.size() >= signature.at && start.substr(signature.at).starts_with(signature.bytes))
      return signature.format;
  const int second = start.size() > 1 && start[0] == '\xff' ? static_cast<unsigned char>(start[1]) : 0;
  if ((second & 0xf6) == 0xf0) return ForeignFormat{"AAC", "aac"};
  if ((second & 0xf6) == 0xf4) return ForeignFormat{"MPEG layer II", "mp3"};
  if (is_transport_stream(start)) return ForeignFormat{"MPEG video", "mpegts"};
  return std::nullopt;
}

std::optional<ForeignFormat> container_of_rare_coding(std::string_view start) {
  constexpr Signature containers[] = {
      {0, "RIFF", {"a WAV of a rare coding", "wav"}}, {0, "RF64", {"a WAV of a rare coding", "wav"}},
      {0, "riff", {"a W64 of a rare coding", "w64"}}, {0, "FORM", {"an AIFF of a rare coding", "aiff"}},
      {0, "caff", {"a CAF of a rare coding", "caf"}}, {0, "OggS", {"an Ogg of a rare coding", "ogg"}}};
  for (const Signature& container : containers)
    if (start.starts_with(container.bytes)) return container.format;
  return std::nullopt;
}

std::optional<Path> find_ffmpeg() {
  const char* folders = std::getenv("PATH");
  std::istringstream in(folders ? folders : "");
  for (std::string folder; std::getline(in, folder, ':');)
    if (Path program = Path(folder) / "ffmpeg";
        program.is_absolute() && std::filesystem::is_regular_file(program) && ::access(program.c_str(), X_OK) == 0)
      return program;
  return std::nullopt;
}

std::unique_ptr<AudioDecoder> open_by_ffmpeg(const Path& path, const ForeignFormat& format) {
  if (format.demuxer.empty())
    fail("{}: this is {}, which is not audio that can be read: leave it out", path.string(), format.name);
  const auto program = find_ffmpeg();
  if (!program)
    fail("{}: this is {}, which is not audio that can be read without the program ffmpeg: install it, or {}",
         path.string(), format.name, how_to_convert(path));
  return std::make_unique<FfmpegDecoder>(path, format, *program);
}

}  // namespace loralens
