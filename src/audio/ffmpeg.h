// SPDX-License-Identifier: Apache-2.0
// Decodes formats that this program's own libraries lack (AAC, AMR, WebM, video, ...) by the program ffmpeg, where it
// is installed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "audio/decoder.h"
#include "audio/ffmpeg_program.h"

namespace loralens {

// A format that is left to ffmpeg.
struct ForeignFormat {
  std::string_view name;     // for messages: "MPEG-4 audio or video"
  std::string_view demuxer;  // ffmpeg's name for its container; "" if ffmpeg cannot decode it
};

constexpr size_t foreign_bytes = 200;  // of a file's beginning, which tell its format

// The format of a file that begins with these bytes; nullopt if it is unknown.
std::optional<ForeignFormat> foreign_format(std::string_view start);

// The same for containers that libsndfile reads, with a coding that it lacks, such as Speex in Ogg.
std::optional<ForeignFormat> container_of_rare_coding(std::string_view start);

// Decodes the file's first audio stream in a child process, which reads only this file, writes only to a pipe and has
// limits of memory and time. The number of frames is known only after decoding. Error, with the command that converts
// the file, if ffmpeg is not installed, cannot decode the file, or finds damage in it.
std::unique_ptr<AudioDecoder> open_by_ffmpeg(const Path& path, const ForeignFormat& format);

}  // namespace loralens
