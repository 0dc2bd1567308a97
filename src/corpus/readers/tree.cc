// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/tree.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.h"

namespace loralens {
namespace fs = std::filesystem;
namespace {

template <typename Iterator>
std::vector<Path> sorted_files(const Path& root) {
  std::error_code code;
  if (!fs::is_directory(root, code)) fail("{} is no folder: give the folder that holds the corpus", root.string());
  std::vector<Path> files;
  for (const auto& entry : Iterator(root))
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.')) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<Path> files_below(const Path& root) { return sorted_files<fs::recursive_directory_iterator>(root); }

std::vector<Path> files_in(const Path& root) { return sorted_files<fs::directory_iterator>(root); }

bool is_audio(const Path& path) {
  static const std::set<std::string> extensions = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".au"};
  auto extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extensions.contains(extension);
}

std::string name_below(const Path& root, const Path& path) { return path.lexically_relative(root).generic_string(); }

}  // namespace loralens
