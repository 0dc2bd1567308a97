// SPDX-License-Identifier: Apache-2.0
#include "audio/container.h"

#include <string>
#include <string_view>

#include "audio/chunks.h"
#include "audio/mp3_frames.h"
#include "base/error.h"

namespace loralens {
namespace {

// The name of a common audio or video format that cannot be read; "" for an unknown one.
std::string_view name_of_other(std::string_view start) {
  const auto at = [&](size_t place, std::string_view text) {
    return start.size() >= place && start.substr(place).starts_with(text);
  };
  if (at(4, "ftyp")) return "MPEG-4 audio or video";
  if (at(0, "\x1a\x45\xdf\xa3")) return "Matroska or WebM";
  if (at(0, "\x30\x26\xb2\x75")) return "Windows Media";
  if (at(0, "#!AMR")) return "AMR";
  if (at(0, "Creative Voice File")) return "Creative Voice";
  if (at(0, "RIFF") && at(8, "AVI ")) return "AVI";
  if (at(0, "FLV")) return "Flash video";
  if (at(0, "MThd")) return "MIDI";
  if (at(0, "wvpk")) return "WavPack";
  if (at(0, "MAC ")) return "Monkey's Audio";
  const int second = start.size() > 1 && start[0] == '\xff' ? static_cast<unsigned char>(start[1]) : 0;
  if ((second & 0xf6) == 0xf0) return "AAC";
  if ((second & 0xfe) == 0xfc) return "MPEG layer II";
  return "";
}

}  // namespace

std::string how_to_convert(const Path& path) {
  const std::string stem = (path.parent_path() / path.stem()).string();
  return fmt::format("convert it with ffmpeg -i '{}' '{}{}'", path.string(), stem,
                     path.extension() == ".wav" ? "-16k.wav" : ".wav");
}

uint64_t end_of_id3(const Bytes& file, uint64_t at) {
  const std::string tag = file.read(at, 10);
  if (tag.size() < 10 || !tag.starts_with("ID3")) return at;
  uint64_t size = 0;  // seven bits per byte
  for (size_t i = 6; i < 10; ++i) size = size << 7 | (static_cast<unsigned char>(tag[i]) & 0x7f);
  const bool footer = (tag[5] & 0x10) != 0;
  return at + 10 + size + (footer ? 10 : 0);
}

Container read_container(const Bytes& file) {
  if (auto chunks = read_chunks(file)) return *chunks;
  if (file.read(0, 4) == "OggS") return {.kind = ContainerKind::ogg};
  const uint64_t begin = end_of_id3(file, 0);
  if (begin > file.size()) fail("{}: cut off inside its ID3 tag: copy the file again", file.path().string());
  if (file.read(begin, 4) == "fLaC") return {.kind = ContainerKind::flac, .begin = begin};
  if (starts_with_mp3(file, begin)) return {.kind = ContainerKind::mp3, .begin = begin};
  if (const auto name = name_of_other(file.read(begin, 32)); !name.empty())
    fail("{}: this is {}, which is not audio that can be read: {}", file.path().string(), name,
         how_to_convert(file.path()));
  fail("{}: not audio that can be read (WAV, FLAC, Ogg, MP3, AIFF, AU, CAF, W64, SPHERE): leave it out, or {}",
       file.path().string(), how_to_convert(file.path()));
}

}  // namespace loralens
