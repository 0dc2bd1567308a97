// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/tree.h"

#include <algorithm>
#include <cctype>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/progress.h"

namespace loralens {
namespace fs = std::filesystem;
namespace {

// A walk through the folders of a corpus.
struct Walk {
  std::vector<Path> files, folders, links;  // found; folders and links to folders that are still to be listed
  std::set<Path> listed;                    // canonical paths of folders
  std::vector<Path> broken, repeated;       // links that lead nowhere, and to folders that are listed already
};

// Error for a file or folder whose rights forbid to read it.
[[noreturn]] void fail_to_read(const Path& path, const std::error_code& code) {
  fail("{}: it cannot be read ({}): allow it (chmod -R u+rX), or move it out of the corpus", path.string(),
       code.message());
}

void list_folder(const Path& folder, Walk& walk) {
  std::error_code code;
  fs::directory_iterator entry(folder, code);
  for (; !code && entry != fs::directory_iterator(); entry.increment(code)) {
    const Path path = entry->path();
    if (path.filename().string().starts_with('.')) continue;
    std::error_code of_entry, ignored;
    const fs::file_type type = entry->status(of_entry).type();
    const bool link = entry->is_symlink(ignored);
    if (type == fs::file_type::regular)
      walk.files.push_back(path);
    else if (type == fs::file_type::directory)
      (link ? walk.links : walk.folders).push_back(path);
    else if (link && (type == fs::file_type::not_found || type == fs::file_type::none))
      walk.broken.push_back(path);
    else if (type == fs::file_type::none)
      fail_to_read(path, of_entry);
  }
  if (code) fail_to_read(folder, code);
}

// Whether `folder` is `path` or above it; both are canonical.
bool is_at_or_above(const Path& folder, const Path& path) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

// Lists the next folder. Links are followed once all other folders are listed, and not to folders that are listed or
// that hold the root, so that each file has one path and cycles end.
void list_next(const Path& root, Walk& walk) {
  const bool link = walk.folders.empty();
  if (link) std::sort(walk.links.begin(), walk.links.end(), std::greater<>());
  std::vector<Path>& next = link ? walk.links : walk.folders;
  const Path folder = next.back();
  next.pop_back();
  std::error_code code;
  const Path real = fs::canonical(folder, code);
  if (code) fail_to_read(folder, code);
  const bool holds_root = link && is_at_or_above(real, root);
  if (!holds_root && walk.listed.insert(real).second)
    list_folder(folder, walk);
  else
    walk.repeated.push_back(folder);
}

std::vector<Path> sorted_files(const Path& root, bool below) {
  std::error_code code;
  if (!fs::is_directory(root, code)) fail("{} is no folder: give the folder that holds the corpus", root.string());
  Walk walk;
  const Path real = fs::canonical(root, code);
  walk.listed.insert(real);
  list_folder(root, walk);
  while (below && !(walk.folders.empty() && walk.links.empty())) list_next(real, walk);
  static std::set<std::string> told;  // a reader may list its corpus several times
  const auto tell = [&](const std::vector<Path>& links, const char* where) {
    if (links.empty()) return;
    const std::string line = fmt::format("{}: passed over {} link{} that lead{} {}, such as {}", root.string(),
                                         links.size(), links.size() == 1 ? "" : "s", links.size() == 1 ? "s" : "",
                                         where, std::ranges::min(links).string());
    if (told.insert(line).second) log_line(line);
  };
  tell(walk.broken, "nowhere");
  tell(walk.repeated, "to a folder that is read under another path or holds the corpus");
  std::sort(walk.files.begin(), walk.files.end());
  return std::move(walk.files);
}

std::string extension_of(const Path& path) {
  auto extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

}  // namespace

std::vector<Path> files_below(const Path& root) { return sorted_files(root, /*below=*/true); }

std::vector<Path> files_in(const Path& root) { return sorted_files(root, /*below=*/false); }

Path folder_with(const Path& root, const std::string& name) {
  std::error_code code;
  if (fs::is_directory(root / name, code)) return root / name;
  if (!fs::is_directory(root, code) || std::ranges::any_of(files_in(root), is_audio)) return root;
  std::vector<Path> found;
  for (fs::directory_iterator entry(root, code), end; !code && entry != end; entry.increment(code)) {
    std::error_code ignored;
    if (fs::is_directory(entry->path() / name, ignored)) found.push_back(entry->path() / name);
  }
  return found.size() == 1 ? found.front() : root;
}

std::string archives_in(const Path& root) {
  static const std::set<std::string> extensions = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"};
  std::vector<Path> archives;
  for (const Path& path : files_below(root))
    if (extensions.contains(extension_of(path))) archives.push_back(path);
  if (archives.empty()) return "";
  return fmt::format("; it holds {} archive{}, such as {}: unpack {} first", archives.size(),
                     archives.size() == 1 ? "" : "s", name_below(root, archives.front()),
                     archives.size() == 1 ? "it" : "them");
}

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
