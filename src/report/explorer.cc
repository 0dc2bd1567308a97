// SPDX-License-Identifier: Apache-2.0
#include "report/explorer.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "report/rounded.h"

namespace loralens {
namespace {

using nlohmann::json;

json rows_of(const at::Tensor& values) {
  const auto table = values.to(at::kCPU, at::kDouble).contiguous();
  const double* x = table.const_data_ptr<double>();
  const auto line = [&](int64_t from, int64_t count) {
    json numbers = json::array();
    for (int64_t i = 0; i < count; ++i) numbers.push_back(rounded(x[from + i], 4));
    return numbers;
  };
  if (table.dim() == 1) return line(0, table.numel());
  json rows = json::array();
  for (int64_t r = 0; r < table.size(0); ++r) rows.push_back(line(r * table.size(1), table.size(1)));
  return rows;
}

struct Candidate {
  int64_t clip;
  size_t predicted;
  double confidence;
};

// Prediction and confidence from the last row of the adapted model's probabilities.
Candidate candidate_of(const ClipFinding& finding, size_t classes) {
  if (finding.values.dim() != 2 || finding.values.size(0) < 1 ||
      finding.values.size(1) != static_cast<int64_t>(classes))
    fail("the probabilities of clip {} are not layers × {} classes", finding.clip, classes);
  const auto last = finding.values[-1].to(at::kCPU, at::kDouble).contiguous();
  const double* p = last.const_data_ptr<double>();
  const size_t best = static_cast<size_t>(std::max_element(p, p + classes) - p);
  return {finding.clip, best, p[best]};
}

}  // namespace

json explorer_of(const std::vector<const ClipFinding*>& findings, const Clips& clips,
                 const std::vector<std::string>& classes, const ExplorerOptions& options) {
  std::map<int64_t, std::map<std::string, const ClipFinding*>> known;
  for (const ClipFinding* f : findings) {
    if (f->clip < 0 || f->clip >= std::ssize(clips.clips)) fail("there is no clip {} in the table of clips", f->clip);
    known[f->clip].try_emplace(f->name, f);
  }
  std::map<std::pair<size_t, bool>, std::vector<Candidate>> groups;  // by class, errors first
  for (const auto& [clip, told] : known) {
    const auto label = std::ranges::find(classes, clips.clips[clip].label);
    if (!told.contains("adapted") || label == classes.end()) continue;
    const Candidate c = candidate_of(*told.at("adapted"), classes.size());
    const auto truth = static_cast<size_t>(label - classes.begin());
    groups[{truth, c.predicted == truth}].push_back(c);
  }
  json chosen = json::array();
  for (auto& [group, candidates] : groups) {
    std::ranges::stable_sort(candidates, std::greater{}, &Candidate::confidence);
    candidates.resize(std::min(candidates.size(), options.per_class));
    for (const Candidate& c : candidates) {
      const Clip& clip = clips.clips[c.clip];
      json entry = {{"id", clip.id},
                    {"path", std::filesystem::absolute(clip.path).lexically_normal().string()},
                    {"label", clip.label},
                    {"predicted", classes[c.predicted]},
                    {"confidence", rounded(c.confidence, 4)},
                    {"speaker", clip.speaker},
                    {"text", clip.text}};
      if (clip.is_segment()) entry.update({{"start", clip.start}, {"end", clip.end}});
      for (const auto& [name, finding] : known.at(c.clip)) entry[name] = rows_of(finding->values);
      chosen.push_back(entry);
    }
  }
  return {{"classes", classes}, {"clips", chosen}};
}

}  // namespace loralens
