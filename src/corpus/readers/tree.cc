// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/tree.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <type_traits>

#include "base/error.h"

namespace loralens {
namespace fs = std::filesystem;
namespace {

template <typename Iterator>
std::vector<Path> sorted_files(const Path& root) {
  std::error_code code;
  if (!fs::is_directory(root, code)) fail("{} is no folder: give the folder that holds the corpus", root.string());
  std::vector<Path> files;
  for (Iterator entry(root), end; entry != end; ++entry) {
    const bool hidden = entry->path().filename().string().starts_with('.');
    if (!hidden && entry->is_regular_file()) files.push_back(entry->path());
    if constexpr (std::is_same_v<Iterator, fs::recursive_directory_iterator>)
      if (hidden) entry.disable_recursion_pending();
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string extension_of(const Path& path) {
  auto extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

}  // namespace

std::vector<Path> files_below(const Path& root) { return sorted_files<fs::recursive_directory_iterator>(root); }

std::vector<Path> files_in(const Path& root) { return sorted_files<fs::directory_iterator>(root); }

bool may_lead_out(const Path& path) {
  return path.is_absolute() || std::find(path.begin(), path.end(), Path("..")) != path.end();
}

bool is_file(const Path& path) {
  std::error_code code;
  return std::filesystem::is_regular_file(path, code);
}

bool is_audio(const Path& path) {
  static const std::set<std::string> extensions = {".wav",  ".wave", ".flac", ".mp3",  ".ogg", ".oga",
                                                   ".opus", ".aif",  ".aiff", ".aifc", ".au",  ".snd",
                                                   ".caf",  ".w64",  ".rf64", ".sph",  ".nist"};
  return extensions.contains(extension_of(path));
}

bool needs_ffmpeg(const Path& path) {
  static const std::set<std::string> extensions = {".m4a", ".mp4", ".m4v", ".mov", ".3gp", ".aac", ".amr", ".webm",
                                                   ".mkv", ".mka", ".avi", ".wma", ".wmv", ".asf", ".flv", ".voc",
                                                   ".wv",  ".ape", ".mp2", ".tta", ".ac3", ".mpg", ".mpeg"};
  return extensions.contains(extension_of(path));
}

std::vector<NamedFile> files_named(const Path& root, const Pattern& pattern, std::vector<std::string>& notes) {
  std::vector<NamedFile> named;
  std::set<Matches> seen;
  int64_t other = 0, repeated = 0;
  Path first_repeated;
  for (const Path& path : files_below(root)) {
    if (!is_audio(path)) continue;
    auto parts = pattern.search(name_below(root, path.parent_path() / path.stem()));
    if (!parts) {
      ++other;
      continue;
    }
    if (!seen.insert({parts->begin() + 1, parts->end()}).second) {
      if (++repeated == 1) first_repeated = path;
      continue;
    }
    named.push_back({path, std::move(*parts)});
  }
  if (repeated) notes.push_back(note_of_repeated(repeated, first_repeated));
  if (other) notes.push_back(fmt::format("passed over {} audio files with other names", other));
  return named;
}

std::string note_of_repeated(int64_t count, const Path& path) {
  return fmt::format("passed over {} files whose name occurs twice, such as {}", count, path.string());
}

std::string Extensions::lower_extension(const Path& path) { return extension_of(path); }

int64_t Extensions::files() const {
  int64_t sum = 0;
  for (const auto& [extension, count] : counts_) sum += count;
  return sum;
}

std::string Extensions::text() const {
  std::string text;
  for (const auto& [extension, count] : counts_)
    text +=
        fmt::format("{}{} {}", text.empty() ? "" : ", ", extension.empty() ? "without extension" : extension, count);
  return text;
}

std::string name_below(const Path& root, const Path& path) { return path.lexically_relative(root).generic_string(); }

}  // namespace loralens
