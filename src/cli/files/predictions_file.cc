// SPDX-License-Identifier: Apache-2.0
#include "cli/files/predictions_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/formats/csv.h"
#include "base/formats/json.h"
#include "base/random.h"
#include "base/text.h"
#include "cli/clips.h"

namespace loralens {
namespace {

// Reads lines of a file of which the last may lack its end. A line of CSV ends outside quotes.
class LineReader {
 public:
  LineReader(const Path& path, bool csv) : in_(path, std::ios::binary), csv_(csv) {
    if (!in_) fail("cannot read {}: {}", path.string(), std::strerror(errno));
  }
  // The next whole line without its end; nullopt at the end, or before a last line without one.
  std::optional<std::string> next() {
    std::string line, part;
    while (std::getline(in_, part) && !in_.eof()) {
      if (!line.empty()) line += '\n';
      line += part;
      if (csv_ && std::ranges::count(line, '"') % 2 == 1) continue;
      end_ = in_.tellg();
      return line;
    }
    return std::nullopt;
  }
  int64_t end() const { return end_; }  // of the last whole line

 private:
  std::ifstream in_;
  bool csv_;
  int64_t end_ = 0;
};

constexpr std::array last_columns = {"seconds", "error", "warning", "model"};

}  // namespace

nlohmann::ordered_json values_of(const FilePrediction& file, const std::vector<std::string>& classes) {
  nlohmann::ordered_json values;
  if (!file.error.empty()) return values;
  const auto best = std::max_element(file.probabilities.begin(), file.probabilities.end()) - file.probabilities.begin();
  values["label"] = classes[best];
  for (size_t c = 0; c < classes.size(); ++c) values["probabilities"][classes[c]] = file.probabilities[c];
  values["seconds"] = file.seconds;
  return values;
}

std::string fingerprint_of(const std::vector<EmotionModel>& models) {
  const EmotionModel& first = models.front();
  uint64_t all = hash_of(hash_of(first.base_sha256), static_cast<uint64_t>(first.input.padded),
                         static_cast<uint64_t>(first.input.cut), hash_of(fmt::format("{}", first.input.tail)));
  for (const std::string& name : first.classes) all = hash_of(all, hash_of(name));
  for (const EmotionModel& model : models)
    for (const Parameter& p : model.parameters()) {
      const at::Tensor values = p.tensor.detach().cpu().contiguous();
      all =
          hash_of(all, hash_of(p.name), hash_of({static_cast<const char*>(values.const_data_ptr()), values.nbytes()}));
    }
  return fmt::format("{:016x}", all);
}

PredictionsFile::PredictionsFile(const Path& path, std::vector<std::string> classes, std::string model)
    : path_(path), classes_(std::move(classes)), model_(std::move(model)), csv_(path.extension() == ".csv") {
  if (!csv_ && path.extension() != ".jsonl")
    throw UsageError(fmt::format("-o {}: name a file that ends with .jsonl or .csv", path.string()));
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644);
  if (file_ < 0) fail("cannot write {}: {}", path.string(), std::strerror(errno));
  struct stat status;
  if (::fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(file_);
    fail("{} exists already and is no file: choose another name", path.string());
  }
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {  // other errors: the place has no locks
    ::close(file_);
    fail("another process writes {}: give each its own file, with --shard", path.string());
  }
}

PredictionsFile::~PredictionsFile() { ::close(file_); }

std::string PredictionsFile::header() const {
  if (!csv_) return "";
  std::vector<std::string> cells = {"path", "label"};
  for (const std::string& name : classes_) cells.push_back("p_" + name);
  cells.insert(cells.end(), last_columns.begin(), last_columns.end());
  return format_csv_row(cells);
}

std::string PredictionsFile::text_for(const FilePrediction& file) const {
  nlohmann::ordered_json line = line_of(file, values_of(file, classes_));
  line["path"] = writable(file.path);
  line["model"] = model_;
  if (!csv_) return text_of(line);
  std::vector<std::string> cells;
  const auto add = [&](const nlohmann::ordered_json& object, const std::string& key) {
    if (!object.contains(key))
      cells.emplace_back();
    else
      cells.push_back(object[key].is_string() ? writable(object[key]) : fmt::format("{}", object[key].get<double>()));
  };
  for (const char* key : {"path", "label"}) add(line, key);
  for (const std::string& name : classes_) add(line.value("probabilities", nlohmann::ordered_json::object()), name);
  for (const char* key : last_columns) add(line, key);
  return format_csv_row(cells);
}

std::pair<std::string, bool> PredictionsFile::read(const std::string& line, const std::string& where) const {
  std::string path, model;
  bool error = false;
  if (csv_) {
    const Table table = parse_csv(header() + line + '\n', where);
    if (table.rows.size() != 1) fail("{}: no line of predict", where);
    path = table.rows[0][0];
    model = table.rows[0].back();
    error = !table.rows[0][table.column("error")].empty();
  } else {
    const auto values = parse_json(line, where);
    const JsonObject object(values, where);
    path = object.text("path");
    model = object.text("model");
    error = object.has("error");
  }
  if (model != model_)
    fail("{}: the line was written with another model ({}; this one is {}): choose another name", where, model, model_);
  return {path, error};
}

// How the next file's line begins, "" without a next file. The path stays in `paths`.
std::string PredictionsFile::start_of_next(PathSource& paths) const {
  const std::optional<std::string> next = paths();
  if (!next) return "";
  paths = [next, given = false, rest = std::move(paths)]() mutable {
    return std::exchange(given, true) ? rest() : next;
  };
  const std::string path = writable(*next), line = csv_ ? format_csv_row({path}) : text_of({{"path", path}});
  return line.substr(0, line.size() - (csv_ ? 1 : 2));  // without the line's end and the brace
}

// Error if what follows the last whole line cannot be a torn line that begins like this.
void PredictionsFile::check_rest(int64_t from, const std::string& start) const {
  std::ifstream in(path_, std::ios::binary);
  in.seekg(from);
  std::string rest(start.size() + 1, '\0');
  in.read(rest.data(), static_cast<std::streamsize>(rest.size()));
  rest.resize(static_cast<size_t>(in.gcount()));
  const size_t common = std::min(rest.size(), start.size());
  if (rest.compare(0, common, start, 0, common) != 0 || (start.empty() && !rest.empty()))
    fail("{}: its last line has no end and is none of predict: choose another name", path_.string());
}

PredictionsFile::Written PredictionsFile::skip_written(PathSource& paths) {
  Written written;
  LineReader lines(path_, csv_);
  int64_t number = 0;
  if (csv_) {
    const auto first = lines.next();
    if (first && *first + '\n' != header())
      fail("{}: the first line is not that of predict with these classes: choose another name", path_.string());
    number = first ? 1 : 0;
  }
  while (const auto line = lines.next()) {
    const std::string where = fmt::format("{}: line {}", path_.string(), ++number);
    const auto [path, error] = read(*line, where);
    const auto given = paths();
    if (!given) fail("{}: {} is not among the files of this command: choose another name", where, path);
    if (path != writable(*given))
      fail("{}: the line is of {}, but the next file of this command is {}: choose another name", where, path, *given);
    ++written.files;
    written.errors += error;
  }
  check_rest(lines.end(), csv_ && number == 0 ? header() : start_of_next(paths));
  if (::ftruncate(file_, lines.end()) != 0) fail("cannot write {}: {}", path_.string(), std::strerror(errno));
  if (number == 0) append(header());
  return written;
}

void PredictionsFile::write(const FilePrediction& file) { append(text_for(file)); }

void PredictionsFile::append(const std::string& text) {
  std::string_view rest = text;
  if (const int error = write_all(file_, rest))
    fail("cannot write {}: {}; the same command goes on after the last whole line", path_.string(),
         std::strerror(error));
}

}  // namespace loralens
