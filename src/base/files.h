// SPDX-License-Identifier: Apache-2.0
// Reading whole files into memory, and writing files atomically: a file appears complete or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace loralens {

using Path = std::filesystem::path;

// Size limits, in bytes, of files that are read whole into memory: tables and lists, and JSON, whose parsed values take
// about ten times the memory of their text.
inline constexpr uint64_t most_bytes = uint64_t{1} << 30, most_json_bytes = uint64_t{100} << 20;

// Error if there is no file, or if it is a folder, FIFO, socket or device: reading these may block or never end.
void check_regular_file(const Path& path);

// Opens a regular file for reading. The caller closes the descriptor. Errors as above, and if the file is unreadable.
int open_regular_file(const Path& path);

// The whole file as bytes. Error if it is missing, not a regular file, unreadable, or longer than `most` bytes.
std::string read_file(const Path& path, uint64_t most = most_bytes);

// Writes a temporary file beside `path`, flushes it to disk and renames it. Error, and no file, if the disk is full.
void write_file(const Path& path, std::string_view bytes);

// Writes the bytes of `rest` to an open file. `rest` then has the bytes that were not written: none, or those from the
// failed write on. Returns the errno of that failure; 0 if there was none.
int write_all(int file, std::string_view& rest);

// The user's cache folder for this program: $XDG_CACHE_HOME/loralens or ~/.cache/loralens.
Path cache_folder();

// Resolves a path of a table or command line: an absolute path is kept, any other is relative to `folder`.
Path relative_to(const Path& folder, const std::string& path);

}  // namespace loralens
