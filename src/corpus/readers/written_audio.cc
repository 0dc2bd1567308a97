// SPDX-License-Identifier: Apache-2.0
#include "corpus/readers/written_audio.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "audio/container.h"
#include "base/error.h"
#include "base/text.h"
#include "corpus/readers/tree.h"

namespace loralens {
namespace {

namespace fs = std::filesystem;

constexpr const char* sources_name = "sources.csv";
const std::vector<std::string> sources_header = {"file", "source", "row", "path"};

// Why `folder` was not written by this class; "" if it was.
std::string complaint_about_audio(const Path& folder) {
  if (!is_file(folder / sources_name)) return "loralens did not write it";
  std::set<std::string> listed = {sources_name};
  const Table sources = read_csv(folder / sources_name);
  if (sources.header != sources_header) return "loralens did not write it";
  for (const auto& row : sources.rows) listed.insert(row[0]);
  for (const auto& entry : fs::directory_iterator(folder))
    if (!listed.contains(entry.path().filename().string()) || !entry.is_regular_file())
      return fmt::format("loralens did not write {} in it", entry.path().filename().string());
  return "";
}

// Cuts a text to at most `most` bytes, between characters.
void cut(std::string& text, size_t most) {
  if (text.size() > most) text.resize(valid_utf8_bytes(std::string_view(text).substr(0, most)));
}

}  // namespace

std::string safe_audio_name(std::string_view path, std::string_view bytes) {
  std::string name = repaired_utf8(path.substr(std::min(path.size(), path.find_last_of("/\\") + 1)));
  for (char& c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == ':') c = '_';
  if (has_control_character(name)) name.clear();
  name.erase(0, std::min(name.find_first_not_of(". "), name.size()));
  std::string extension = Path(name).extension().string(), stem = Path(name).stem().string();
  if (!is_audio(name) && !needs_ffmpeg(name)) {
    stem = name;
    extension = usual_extension(bytes);
    if (extension.empty()) fail("it begins like no audio");
  }
  cut(stem, 150);
  return (stem.empty() ? "clip" : stem) + extension;
}

WrittenAudio::WrittenAudio(const Path& folder, bool force)
    : folder_(folder), files_(folder, force, complaint_about_audio) {
  taken_[sources_name] = 1;
}

std::string WrittenAudio::add(const std::string& path, std::string_view bytes, const std::string& source, size_t row) {
  const std::string wanted = safe_audio_name(path, bytes);
  std::string name = wanted;
  for (int64_t& number = taken_[wanted]; number > 0 && taken_.contains(name);)
    name = fmt::format("{}-{}{}", Path(wanted).stem().string(), ++number, Path(wanted).extension().string());
  taken_[name] = std::max<int64_t>(taken_[name], 1);
  std::ofstream file(files_.path() / name, std::ios::binary);
  file << bytes;
  file.close();
  if (!file) fail("cannot write {}: {}", (folder_ / name).string(), std::strerror(errno));
  sources_.rows.push_back({name, source, fmt::format("{}", row), shown(path)});
  return name;
}

std::string WrittenAudio::finish(Clips& clips) {
  std::set<std::string> kept;
  for (Clip& clip : clips.clips)
    if (clip.path.parent_path() == files_.path()) {
      kept.insert(clip.path.filename().string());
      clip.path = folder_ / clip.path.filename();
    }
  if (kept.empty()) return "";  // the destructor removes the folder
  std::erase_if(sources_.rows, [&](const auto& row) {
    if (kept.contains(row[0])) return false;
    fs::remove(files_.path() / row[0]);
    return true;
  });
  write_file(files_.path() / sources_name, format_csv(sources_));
  files_.commit();
  return fmt::format("the audio of {} clips is written to {}\n", kept.size(), folder_.string());
}

}  // namespace loralens
