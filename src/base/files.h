// Reading files whole, and writing files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace loralens {

using Path = std::filesystem::path;

// Most bytes of a file that is read into memory whole: of a table or list, and of JSON, whose values take some ten
// times the memory of their text.
inline constexpr uint64_t most_bytes = uint64_t{1} << 30, most_json_bytes = uint64_t{100} << 20;

// Error if there is no file, or if it is a folder, FIFO, socket or device, whose reading can wait or go on for ever.
void check_regular_file(const Path& path);

// Opens a regular file for reading. The caller closes the descriptor. Errors as above, or if the file is unreadable.
int open_regular_file(const Path& path);

// The whole file as bytes. Error if it is missing, no regular file, unreadable, or longer than `most` bytes.
std::string read_file(const Path& path, uint64_t most = most_bytes);

// Writes under a temporary name beside `path`, flushes to disk, renames. Error (and no file) if the disk is full.
void write_file(const Path& path, std::string_view bytes);

// The user's cache of this program: $XDG_CACHE_HOME/loralens or ~/.cache/loralens.
Path cache_folder();

// The path that a table or command means: absolute as it is, relative to `folder` otherwise.
Path relative_to(const Path& folder, const std::string& path);

}  // namespace loralens
