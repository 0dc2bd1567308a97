// SPDX-License-Identifier: Apache-2.0
#include "study/study_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/formats/json.h"
#include "base/nearest.h"
#include "base/text.h"

namespace loralens {
namespace {

constexpr size_t most_runs = 10'000;
constexpr size_t longest_name = 200;  // bytes of a run's name, part of the names of files

struct Level {
  std::string name;
  std::vector<TomlKey> flags;
};

struct Axis {
  std::string name;
  int64_t line = 0;
  std::vector<Level> levels;
};

std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  const std::string near = nearest(name, known);
  return near.empty() ? fmt::format(": choose among {}", fmt::join(known, " "))
                      : fmt::format(": did you mean '{}'?", near);
}

class StudyReader {
 public:
  explicit StudyReader(std::string file) : file_(std::move(file)) {}

  Study read(const TomlTable& all) {
    for (const TomlKey& key : all.keys) {
      check_name(key.name, key.line, {"title"}, "key");
      study_.title = single(key);
    }
    std::vector<TomlKey> shared;
    std::vector<Axis> axes;
    for (const TomlTable& table : all.tables) {
      check_name(table.name, table.line, {"train", "grid", "compare", "analyze", "slurm"}, "table");
      if (table.name == "train") shared = flags_of(table);
      if (table.name == "grid") axes = axes_of(table);
      if (table.name == "analyze") study_.analyze = flags_of(table);
      if (table.name == "slurm") study_.slurm = slurm_options(table);
    }
    expand(shared, axes);
    for (const TomlTable& table : all.tables)
      if (table.name == "compare") compare(table, axes);
    return std::move(study_);
  }

 private:
  template <typename... Arguments>
  [[noreturn]] void refuse(int64_t line, fmt::format_string<Arguments...> text, Arguments&&... arguments) const {
    fail("{}: line {}: {}", file_, line, fmt::format(text, std::forward<Arguments>(arguments)...));
  }

  void check_name(const std::string& name, int64_t line, const std::vector<std::string>& known,
                  const char* what) const {
    if (std::ranges::find(known, name) == known.end())
      refuse(line, "there is no {} {}{}", what, quoted(name), suggestion(name, known));
  }

  std::string single(const TomlKey& key) const {
    if (key.list || key.values.size() != 1) refuse(key.line, "'{}' needs one value", key.name);
    return key.values.front();
  }

  std::vector<TomlKey> flags_of(const TomlTable& table) const {
    if (!table.tables.empty())
      refuse(table.tables.front().line, "[{}] holds flags and no tables: put levels into [grid.AXIS.LEVEL]",
             table.name);
    for (const TomlKey& key : table.keys) {
      if (key.nested) refuse(key.line, "'{}' is a list of lists", key.name);
      if (key.values.empty()) refuse(key.line, "'{}' has no value", key.name);
    }
    return table.keys;
  }

  // Options of sbatch as they can stand in a script's #SBATCH lines, which have no quotes.
  std::vector<TomlKey> slurm_options(const TomlTable& table) const {
    auto options = flags_of(table);
    for (const TomlKey& option : options) {
      for (const char* own : {"array", "job-name", "dependency", "output", "parsable", "wait"})
        if (option.name == own) refuse(option.line, "loralens sets the option '{}' of sbatch itself", own);
      for (const std::string& value : option.values)
        if (value.find_first_of(" \t\r\n#\"'\\") != std::string::npos)
          refuse(option.line, "'{}': a value for sbatch cannot hold spaces, quotes or #", option.name);
    }
    return options;
  }

  void check_word(const std::string& name, int64_t line) const {
    const auto fits = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("._+,:-").find(c) != std::string::npos;
    };
    if (name.empty() || name.size() > 100 || !std::ranges::all_of(name, fits))
      refuse(line, "{} cannot be part of a run's name (letters, digits and ._+,:-): give it a table [grid.AXIS.LEVEL]",
             quoted(name));
  }

  std::vector<Axis> axes_of(const TomlTable& grid) const {
    std::vector<Axis> axes;
    for (const TomlKey& key : grid.keys) {
      if (!key.list || key.values.empty()) refuse(key.line, "the axis '{}' needs a list of values", key.name);
      if (key.nested)
        refuse(key.line, "the axis '{}' is a list of lists: put each level into a table [grid.{}.LEVEL]", key.name,
               key.name);
      Axis axis{.name = key.name, .line = key.line, .levels = {}};
      for (const std::string& value : key.values)
        axis.levels.push_back({value, {{.name = key.name, .line = key.line, .values = {value}, .list = false}}});
      axes.push_back(std::move(axis));
    }
    for (const TomlTable& table : grid.tables) {
      Axis axis{.name = table.name, .line = table.line, .levels = {}};
      if (!table.keys.empty())
        refuse(table.keys.front().line, "the axis '{}' holds levels: put '{}' into a table [grid.{}.LEVEL]", table.name,
               table.keys.front().name, table.name);
      if (table.tables.empty()) refuse(table.line, "the axis '{}' has no levels", table.name);
      for (const TomlTable& level : table.tables) axis.levels.push_back({level.name, flags_of(level)});
      axes.push_back(std::move(axis));
    }
    std::ranges::stable_sort(axes, {}, &Axis::line);
    for (const Axis& axis : axes) check_axis(axis);
    return axes;
  }

  void check_axis(const Axis& axis) const {
    check_word(axis.name, axis.line);
    if (axis.name == "margin") refuse(axis.line, "'margin' is a key of [compare]: give the axis another name");
    std::set<std::string> names;
    for (const Level& level : axis.levels) {
      check_word(level.name, axis.line);
      if (!names.insert(level.name).second) refuse(axis.line, "'{}' has the value {} twice", axis.name, level.name);
    }
  }

  // Makes the runs: all combinations of levels.
  void expand(const std::vector<TomlKey>& shared, const std::vector<Axis>& axes) {
    study_.runs = {{.name = "", .levels = {}, .flags = shared}};
    std::set<std::string> set_by_axes;
    for (const Axis& axis : axes) {
      study_.axes.push_back(axis.name);
      std::set<std::string> own;
      for (const Level& level : axis.levels)
        for (const TomlKey& flag : level.flags) {
          if (set_by_axes.contains(flag.name)) refuse(flag.line, "'{}' is set by two axes", flag.name);
          own.insert(flag.name);
        }
      set_by_axes.merge(own);
      if (study_.runs.size() * axis.levels.size() > most_runs)
        refuse(axis.line, "the grid has more than {} runs", most_runs);
      std::vector<StudyRun> runs;
      for (const StudyRun& run : study_.runs)
        for (const Level& level : axis.levels) runs.push_back(with_level(run, axis.name, level));
      study_.runs = std::move(runs);
    }
    if (axes.empty()) study_.runs.front().name = "run";
    std::set<std::string> names;
    for (const StudyRun& run : study_.runs) {
      if (!names.insert(run.name).second)
        refuse(axes.front().line, "two runs have the name {}: rename a level", run.name);
      if (run.name.size() > longest_name)
        refuse(axes.front().line, "the name {} is longer than {} bytes: shorten the names of levels", run.name,
               longest_name);
    }
  }

  static StudyRun with_level(StudyRun run, const std::string& axis, const Level& level) {
    run.name += fmt::format("{}{}-{}", run.name.empty() ? "" : "_", axis, level.name);
    run.levels.emplace_back(axis, level.name);
    for (const TomlKey& flag : level.flags) {
      const auto shared = std::ranges::find(run.flags, flag.name, &TomlKey::name);
      if (shared == run.flags.end())
        run.flags.push_back(flag);
      else
        *shared = flag;
    }
    return run;
  }

  void compare(const TomlTable& table, const std::vector<Axis>& axes) {
    std::vector<std::string> known = study_.axes;
    known.emplace_back("margin");
    for (const TomlKey& key : flags_of(table)) {
      check_name(key.name, key.line, known, "axis or key");
      if (key.name == "margin") {
        const auto margin = parse_number<double>(single(key));
        if (!margin || !(*margin > 0) || *margin > 1) refuse(key.line, "'margin' is a difference of UAR, 0 to 1");
        study_.margin = *margin;
        continue;
      }
      if (study_.baseline)
        refuse(key.line, "[compare] has one axis, and '{}' is there already", study_.baseline->first);
      std::vector<std::string> levels;
      for (const Level& level : std::ranges::find(axes, key.name, &Axis::name)->levels) levels.push_back(level.name);
      check_name(single(key), key.line, levels, "level");
      study_.baseline = {key.name, single(key)};
    }
    if (!study_.baseline) refuse(table.line, "[compare] names no axis and level: write AXIS = LEVEL");
  }

  std::string file_;
  Study study_;
};

}  // namespace

Study parse_study(const std::string& text, const std::string& file) {
  return StudyReader(file).read(parse_tables(text, file));
}

const StudyRun* baseline_of(const Study& study, const StudyRun& run) {
  if (!study.baseline) return nullptr;
  auto levels = run.levels;
  for (auto& [axis, level] : levels)
    if (axis == study.baseline->first) level = study.baseline->second;
  if (levels == run.levels) return nullptr;
  return &*std::ranges::find(study.runs, levels, &StudyRun::levels);
}

}  // namespace loralens
