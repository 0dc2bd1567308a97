// SPDX-License-Identifier: Apache-2.0
// Separation of clips by emotion and by speaker: t-SNE of the adapters' A x (arXiv 2509.08454, "embedding"), and, in
// the full space, silhouettes and R-precision. R-precision of a clip is the share of its n - 1 nearest clips that have
// its label, with n the number of clips of that label.
//
// A clip's vector is the mean over its speech frames, of A x and of each layer's output; memory holds one fold's clips,
// since each fold's model has its own space. t-SNE is initialised with principal components, so it has no random seed.
// The published form is in paper.cc.
#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <set>

#include "analysis/adapted_modules.h"
#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "analysis/embedding/pictures.h"
#include "base/random.h"
#include "statistics/jackknife.h"
#include "statistics/neighbours.h"
#include "statistics/nulls/r_precision.h"
#include "statistics/singular_spectrum.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t fewest_clips = 11;  // of a measured fold
constexpr int64_t most_clips = 2000;  // maximum number of clips of a fold, drawn with the seed
constexpr int64_t fewest_pictured = 30;  // minimum number of clips for a t-SNE plot

// Integer codes 0, 1, ... of the texts; equal texts have equal codes.
std::vector<int64_t> numbered(const std::vector<std::string>& texts) {
  std::map<std::string, int64_t> known;
  std::vector<int64_t> numbers;
  for (const auto& text : texts) numbers.push_back(known.try_emplace(text, std::ssize(known)).first->second);
  return numbers;
}

int64_t count_of(const std::vector<int64_t>& numbers) {
  return std::ssize(std::set<int64_t>(numbers.begin(), numbers.end()));
}

class Embedding : public ClipPictures {
 public:
  explicit Embedding(const Setting& setting) : ClipPictures(setting), curves_(setting) {}

  bool wants(Part part, Role role) const override {
    return part == Part::test && (role != Role::untrained || module_ != Module::none);
  }
  bool wants(Part part, Role role, const Site& site) const override {
    if (!wants(part, role)) return false;
    if (site.kind == SiteKind::residual_out) return role != Role::untrained;
    return site.kind == SiteKind::adapter_down && site.module == module_ && role != Role::frozen;
  }

  void begin_fold(const FoldSubjects& fold) override;
  void see(const BatchView& view, const Site& site, const Tensor& value) override;
  void end_fold(const FoldSubjects& fold) override;
  Findings finish() override;

 private:
  void measure(int64_t fold, const Space& space, const std::string& variant, const Tensor& features);
  void note_measures();
  void draw_fold(int64_t fold);

  FoldCurves curves_;
  std::set<std::string> unmeasured_;  // kinds of label that are unknown or the same for all clips in some fold

  // State of the current fold.
  std::map<std::string, std::vector<int64_t>> labels_;  // by kind: emotion, and speaker where it is known throughout
  std::vector<int64_t> groups_;  // for the jackknife
};

void Embedding::begin_fold(const FoldSubjects& fold) {
  std::vector<int64_t> clips = fold.test;
  if (std::ssize(clips) > most_clips) {
    note(fmt::format("Folds with more than {} test clips: that number was drawn with the seed.", most_clips));
    Random(hash_of(setting_.seed, hash_of("embedding"), fold.fold)).shuffle(clips);
    clips.resize(most_clips);
  }
  begin(std::move(clips));
  labels_.clear();
  std::vector<std::string> speakers, groups;
  for (const int64_t clip : clips_) {
    labels_["emotion"].push_back(setting_.labels[clip]);
    speakers.push_back(setting_.clips->clips[clip].speaker);
    groups.push_back(setting_.group_of(clip));
  }
  if (std::ranges::find(speakers, "") == speakers.end()) labels_["speaker"] = numbered(speakers);
  groups_ = numbered(groups);
}

void Embedding::see(const BatchView& view, const Site& site, const Tensor& value) {
  adapter_seen_ |= site.kind == SiteKind::adapter_down;
  const auto clips = view.speech_of(value);
  for (size_t i = 0; i < clips.size(); ++i)
    keep({view.subject.role, site.module, site.layer}, view.clips[i], clips[i].to(c10::ScalarType::Double).mean(0));
}

// features: n×d; distances are computed without further scaling.
void Embedding::measure(int64_t fold, const Space& space, const std::string& variant, const Tensor& features) {
  const Tensor between = distances(features);
  const bool grouped = count_of(groups_) > 1;
  const auto groups = grouped ? std::span<const int64_t>(groups_) : std::span<const int64_t>();
  const auto add = [&](const std::string& metric, const Separation& separation, double lowest) {
    if (std::isnan(separation.value)) return;
    RowKey key = space.key(metric);
    key.variant = variant;
    const Interval interval = clipped(jackknife_interval(separation.value, separation.without), lowest, 1);
    curves_.add(fold, key, separation.value, interval.low, interval.high, std::ssize(clips_));
  };
  for (const auto& [kind, labels] : labels_) {
    if (count_of(labels) < 2 || std::ssize(labels) < fewest_clips) continue;
    add("silhouette_" + kind, silhouette(between, labels, groups), -1);
    if (count_of(labels) == std::ssize(labels)) continue;  // no clip has another one of its label
    const std::span<const double> all(between.const_data_ptr<double>(), between.numel());
    const RPrecision precision = r_precision(all, labels, groups);
    add("r_precision_" + kind, {precision.value, precision.without}, 0);
    add("r_precision_" + kind + "_chance", {precision.chance, {}}, 0);
  }
}

// t-SNE with the published perplexity, or less if the fold has few clips.
void Embedding::draw_fold(int64_t fold) {
  const int64_t n = std::ssize(clips_);
  const double most = static_cast<double>(n - 1) / 3;
  if (most < published_perplexity)
    note(fmt::format("The perplexity of t-SNE is {:.1f} instead of {:.0f}, as there are only {} clips.", most,
                     published_perplexity, n));
  draw(fold, std::min(most, published_perplexity));
}

// Adds notes about the current fold: the settings of its measures, and the measures that could not be computed.
void Embedding::note_measures() {
  const int64_t n = std::ssize(clips_);
  if (n > 0 && folds_ == 1)
    note(fmt::format(
        "Means over speech frames, one fold's clips held at a time ({:.1f} MB in the first). Distances "
        "are Euclidean after each feature was standardised over the fold's test clips; in rows of variant balanced, "
        "in the balanced gauge without standardisation.",
        megabytes()));
  for (const char* kind : {"emotion", "speaker"})
    if (n >= fewest_clips && (!labels_.contains(kind) || count_of(labels_[kind]) < 2)) unmeasured_.insert(kind);
  if (n > 0 && n < fewest_clips)
    note(fmt::format("Nothing is measured in folds with fewer than {} test clips.", fewest_clips));
}

void Embedding::end_fold(const FoldSubjects& fold) {
  note_measures();
  for (const auto& [space, features] : features_) {
    measure(fold.fold, space, "", standardised(features));
    if (!space.is_adapter()) continue;
    if (const auto factors = factors_at(fold.of(space.role), {space.layer, module_}))
      measure(fold.fold, space, "balanced",
              at::matmul(features.to(c10::ScalarType::Double), balanced_gauge(factors->a, factors->b).change.t()));
  }
  if (!picture_ && std::ssize(clips_) >= fewest_pictured) draw_fold(fold.fold);
  features_.clear();
}

Findings Embedding::finish() {
  Findings findings = findings_of_pictures(/*placed=*/Module::none);
  findings.measures =
      "How well emotions and speakers separate in A x and in the residual stream: silhouette, and R-precision: "
      "the share of a clip's n - 1 nearest clips with its label, n clips having that label; t-SNE.";
  findings.caveat += ": see the rows of variant balanced.";
  const auto rows = curves_.rows();
  findings.rows.insert(findings.rows.begin(), rows.begin(), rows.end());
  findings.reading = embedding_reading(setting_, module_, findings.rows);
  add_curves(setting_, findings);
  note_what_is_missing("only residual streams were measured");
  for (const auto& kind : unmeasured_)
    note(fmt::format("By {}, nothing is measured in folds whose test clips have {}.", kind,
                     kind == "speaker" ? "a single speaker or unknown speakers" : "a single emotion"));
  if (folds_ > 0 && !picture_) note(fmt::format("No t-SNE: no fold has {} test clips.", fewest_pictured));
  if (picture_ && setting_.folds > 1)
    note(fmt::format("t-SNE shows the test clips of fold {} alone: each fold's model has its own space.",
                     picture_->fold));
  findings.notes = notes_;
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_embedding(const Setting& setting) {
  if (setting.protocol.as_published) return make_paper_embedding(setting);
  return std::make_unique<Embedding>(setting);
}

}  // namespace loralens
