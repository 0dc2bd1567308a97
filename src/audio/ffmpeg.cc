// SPDX-License-Identifier: Apache-2.0
#include "audio/ffmpeg.h"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "audio/container.h"
#include "base/error.h"
#include "base/programs/child_process.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr int64_t most_seconds = 24 * 3600;  // of audio in a file
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

// Messages without the addresses in memory that ffmpeg prints ("[aac @ 0x55dc4fe8e200]").
std::string without_addresses(std::string text) {
  for (size_t at = text.find(" @ 0x"); at != std::string::npos; at = text.find(" @ 0x", at))
    text.erase(at, text.find_first_not_of("0123456789abcdef", at + 5) - at);
  return text;
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
         format_.name, messages.empty() ? "it gave no reason" : messages_as_line(without_addresses(messages)),
         how_to_convert(path_));
  }

  Path path_;
  ForeignFormat format_;
  ChildProcess child_;
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

std::optional<Path> find_ffmpeg() { return find_program("ffmpeg"); }

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
