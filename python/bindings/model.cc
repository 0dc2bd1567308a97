// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <utility>

#include "base/error.h"
#include "cli/clips.h"
#include "cli/files/predictions_file.h"
#include "inference/predict_files.h"
#include "whisper/site_names.h"

namespace loralens {

OpenedModel::OpenedModel(const RunRequest& request, const ComputeChoice& choice)
    : run_(open_run(request, compute_of(choice))), threads_(thread_count(choice)) {}

std::vector<std::string> OpenedModel::predict(std::vector<std::string> files, const std::function<void()>& each) const {
  std::vector<std::string> lines;
  const auto paths = [&files, next = size_t{0}]() mutable -> std::optional<std::string> {
    if (next == files.size()) return std::nullopt;
    return std::move(files[next++]);
  };
  predict_files(run_.models, paths, threads_, [&](const FilePrediction& file) {
    lines.push_back(text_of(line_of(file, values_of(file, run_.models.front().classes))));
    each();
  });
  return lines;
}

ForwardResult OpenedModel::forward(std::vector<std::string> files, const std::vector<std::string>& sites, bool adapters,
                                   const std::vector<std::pair<std::string, Patch>>& patches) const {
  const EmotionModel& model = only_model();
  const int64_t layers = run_.base.encoder.config.layers;
  ForwardRequest request{.files = std::move(files), .threads = threads_};
  for (const std::string& name : sites) request.sites.push_back(parse_site(name, layers));
  for (const auto& [name, replace] : patches) request.patches.push_back({parse_site(name, layers), replace});
  const AdapterSet none;
  const Encoder encoder = adapters ? model.compute_encoder() : run_.base.encoder;
  return forward_files({encoder, adapters ? model.adapted.adapters : none, model.head}, model.input, request);
}

std::vector<std::string> OpenedModel::sites() const {
  const EmotionModel& model = only_model();
  const auto& adapters = model.adapted.adapters.linear;
  const int64_t layers = run_.base.encoder.config.layers, end = model.head.hidden_state.value_or(layers);
  std::vector<std::string> names;
  for (const Site& site : all_sites(layers)) {
    if (site.layer >= end || (site.kind == SiteKind::final_norm && end < layers)) continue;
    const auto adapter = adapters.find({site.layer, site.module});
    const bool visited = site.module == Module::none || (adapter != adapters.end() && adapter->second->factors());
    if (visited) names.push_back(text_of(site));
  }
  return names;
}

const EmotionModel& OpenedModel::only_model() const {
  if (run_.models.size() > 1)
    fail("{} has {} models, and a forward pass is one model's: load one of them, such as {}",
         run_.folders.front().parent_path().string(), run_.models.size(), run_.folders.front().string());
  return run_.models.front();
}

}  // namespace loralens
