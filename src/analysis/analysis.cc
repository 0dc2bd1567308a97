// SPDX-License-Identifier: Apache-2.0
#include "analysis/analysis.h"

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/device.h"
#include "base/enum.h"
#include "base/error.h"

namespace loralens {

using at::Tensor;

std::string_view name_of(Role role) {
  constexpr std::string_view names[] = {"adapted", "frozen", "untrained"};
  return names[ordinal(role)];
}

std::string_view name_of(Chapter chapter) {
  constexpr std::string_view names[] = {"causes", "decision", "states", "adapters"};
  return names[ordinal(chapter)];
}

std::string Setting::group_of(int64_t clip) const {
  const Clip& c = clips->clips[clip];
  return c.speaker.empty() ? "clip " + c.id : c.speaker;
}

std::string Setting::note_on_site_adapters() const {
  std::set<SiteKind> kinds;
  for (const Site& site : adapted_sites) kinds.insert(site.kind);
  if (kinds.empty()) return "";
  std::string names;
  for (const SiteKind kind : kinds) names += (names.empty() ? "" : ", ") + std::string(name_of(kind));
  return fmt::format(
      "The model has adapters that change activations ({}): they have no update ΔW of a linear layer and no factors A "
      "and B, so they are left out.",
      names);
}

const Subject& FoldSubjects::of(Role role) const {
  return role == Role::adapted ? adapted : role == Role::frozen ? frozen : untrained;
}

const std::vector<int64_t>& FoldSubjects::of(Part part) const {
  switch (part) {
    case Part::fit: return fit;
    case Part::test: return test;
    case Part::sample: return sample;
    case Part::reference: break;
  }
  return reference;
}

std::vector<Tensor> BatchView::speech_of(const Tensor& x) const {
  std::vector<Tensor> clips = x.split_with_sizes(clip_rows);
  for (size_t i = 0; i < clips.size(); ++i) clips[i] = clips[i].narrow(0, 0, speech_rows[i]);
  return clips;
}

std::vector<int64_t> BatchView::labels() const {
  std::vector<int64_t> found;
  for (const int64_t clip : clips) found.push_back(setting.labels[clip]);
  return found;
}

void BatchView::tell(const std::string& name, const Tensor& values, std::vector<ClipFinding>& told) const {
  if (fold.fold >= setting.folds_of_a_run()) return;
  for (size_t i = 0; i < clips.size(); ++i) told.push_back({clips[i], name, values[static_cast<int64_t>(i)].clone()});
}

Tensor BatchView::loss_of(const Tensor& logits) const {
  const Tensor targets = on_device(labels(), logits.device());
  return at::cross_entropy_loss(logits, targets, {}, /*sum*/ 2);
}

Tensor BatchView::logits_from(int64_t layer, const Tensor& x, std::vector<Intervention*> interventions) const {
  const Head* const own = &subject.model.head;
  return logits_under({&own, 1}, layer, x, std::move(interventions)).front();
}

std::vector<Tensor> BatchView::logits_under(std::span<const Head* const> heads, int64_t layer, const Tensor& x,
                                            std::vector<Intervention*> interventions) const {
  Taps taps;
  taps.interventions = std::move(interventions);
  Pass continued = pass;
  continued.taps = &taps;
  Head reader = *heads.front();  // says which states to pool: the one that all heads read, or all of them
  const bool alike = std::ranges::all_of(heads, [&](const Head* head) {
    return !head->layer_weights.defined() && head->hidden_state == reader.hidden_state;
  });
  if (!alike) reader = {.layer_weights = at::empty({setting.layers + 1})};
  const Network network{subject.encoder, subject.model.adapted.adapters, reader};
  const Tensor states = head_states(network, x, layer, continued, residuals);
  std::vector<Tensor> all;
  for (const Head* head : heads) all.push_back(loralens::logits(*head, states, continued));
  return all;
}

std::vector<Tensor> BatchView::values_at(int64_t layer, std::span<const SiteKind> kinds) const {
  struct Reader : Observer {
    Reader(int64_t layer, std::span<const SiteKind> kinds) : layer(layer), kinds(kinds), values(kinds.size()) {}
    size_t place_of(const Site& site) const {
      return site.layer == layer ? static_cast<size_t>(std::ranges::find(kinds, site.kind) - kinds.begin())
                                 : kinds.size();
    }
    bool wants(const Site& site) const override { return place_of(site) < kinds.size(); }
    void see(const Pass&, const Site& site, const Tensor& value, int64_t) override { values[place_of(site)] = value; }
    int64_t layer;
    std::span<const SiteKind> kinds;
    std::vector<Tensor> values;
  } reader(layer, kinds);
  Taps taps;
  taps.observers.push_back(&reader);
  Pass again = pass;
  again.taps = &taps;
  run(subject.encoder, subject.model.adapted.adapters, residuals[layer], {layer, layer + 1}, again);
  for (size_t i = 0; i < kinds.size(); ++i)
    if (!reader.values[i].defined()) fail("layer {} has no site {}", layer, name_of(kinds[i]));
  return reader.values;
}

const BatchView& ModelViews::of(Role role) const {
  const auto found = views_.find(role);
  if (found == views_.end()) fail("the batch did not pass through the {} model", name_of(role));
  return *found->second;
}

}  // namespace loralens
