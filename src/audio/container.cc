// SPDX-License-Identifier: Apache-2.0
#include "audio/container.h"

#include <string>

#include "audio/chunks.h"
#include "audio/ffmpeg.h"
#include "audio/mp3_frames.h"
#include "base/error.h"
#include "base/formats/text_in_place.h"
#include "base/shell.h"

namespace loralens {
namespace {

// A word of a command line in quotes, also where it needs none.
std::string in_quotes(const std::string& text) {
  const std::string word = shell_word(text);
  return word.starts_with('\'') ? word : "'" + word + "'";
}

struct Extension {
  size_t at;  // offset of the sign in the file
  std::string_view sign, extension;
};

constexpr Extension usual_extensions[] = {
    {8, "WAVE", ".wav"}, {0, "RF64", ".rf64"}, {0, "fLaC", ".flac"}, {0, "OggS", ".ogg"},    {0, "ID3", ".mp3"},
    {8, "AIF", ".aiff"}, {0, ".snd", ".au"},   {0, "caff", ".caf"},  {0, "riff", ".w64"},    {0, "NIST_1A", ".sph"},
    {4, "ftyp", ".m4a"}, {0, "#!AMR", ".amr"}, {0, "wvpk", ".wv"},   {0, "MAC ", ".ape"},    {0, "TTA1", ".tta"},
    {8, "AVI ", ".avi"}, {0, "FLV", ".flv"},   {4, "moov", ".mov"},  {0, "Creative", ".voc"}};

}  // namespace

std::string usual_extension(std::string_view start) {
  for (const auto& [at, sign, extension] : usual_extensions)
    if (start.size() >= at && start.substr(at).starts_with(sign)) return std::string(extension);
  const auto format = foreign_format(start);
  if (format && format->demuxer == "matroska") return ".webm";
  if (format && format->demuxer == "asf") return ".wma";
  if (format && format->demuxer == "aac") return ".aac";
  const bool mpeg = start.size() > 1 && start[0] == '\xff' && (static_cast<unsigned char>(start[1]) & 0xe0) == 0xe0;
  return mpeg ? ".mp3" : "";
}

std::string how_to_convert(const Path& path) {
  const std::string stem = (path.parent_path() / path.stem()).string();
  return fmt::format("convert it with ffmpeg -i {} {}", in_quotes(path.string()),
                     in_quotes(stem + (path.extension() == ".wav" ? "-16k.wav" : ".wav")));
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
  uint64_t begin = 0;
  for (uint64_t next = end_of_id3(file, 0); next != begin; next = end_of_id3(file, begin)) begin = next;
  if (begin > file.size()) fail("{}: cut off inside its ID3 tag: copy the file again", file.path().string());
  if (file.read(begin, 4) == "fLaC") return {.kind = ContainerKind::flac, .begin = begin};
  if (starts_with_mp3(file, begin)) return {.kind = ContainerKind::mp3, .begin = begin};
  if (foreign_format(file.read(begin, foreign_bytes))) return {.kind = ContainerKind::foreign, .begin = begin};
  if (const auto begin_of_mp3 = find_mp3(file, begin)) return {.kind = ContainerKind::mp3, .begin = *begin_of_mp3};
  constexpr size_t enough = 512;
  if (const std::string text = text_in_place_of_data(file.read(0, enough)); !text.empty())
    fail("{}: not audio but {}", file.path().string(), text);
  fail("{}: not audio that can be read (WAV, FLAC, Ogg, MP3, AIFF, AU, CAF, W64, SPHERE): leave it out, or {}",
       file.path().string(), how_to_convert(file.path()));
}

}  // namespace loralens
