// SPDX-License-Identifier: Apache-2.0
// Separation of clips by emotion and by speaker: t-SNE of the adapters' A x (arXiv 2509.08454, "embedding"), and, in
// the full space, silhouettes and the purity of the ten nearest neighbours.
//
// paper: a clip's vector is A x at all its positions, flattened; memory holds all clips of the sample. strict: a clip's
// vector is the mean over its speech frames, of A x and of each layer's output; memory holds one fold's clips, since
// each fold's model has its own space. t-SNE is initialised with principal components, so it has no random seed.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/adapted_modules.h"
#include "analysis/analyses.h"
#include "analysis/curves.h"
#include "analysis/embedding/words.h"
#include "base/error.h"
#include "base/random.h"
#include "statistics/jackknife.h"
#include "statistics/neighbours.h"
#include "statistics/singular_spectrum.h"
#include "statistics/tsne/tsne.h"

namespace loralens {
namespace {

using at::Tensor;

constexpr int64_t neighbours = 10;
constexpr double perplexity = 30;
constexpr int64_t published_layers[] = {0, 7, 15, 23, 31}, published_depth = 32;
constexpr int64_t most_clips = 2000;  // strict: maximum number of clips of a fold, drawn with the seed
constexpr int64_t fewest_pictured = 30;  // strict: minimum number of clips for a t-SNE plot

// The published layers at the same relative depth of a model with `layers` layers.
std::set<int64_t> pictured_layers(int64_t layers) {
  std::set<int64_t> scaled;
  for (const int64_t layer : published_layers)
    scaled.insert(std::llround(static_cast<double>(layer * (layers - 1)) / (published_depth - 1)));
  return scaled;
}

// v_proj if it has an adapter, else the first module that has one; Module::none without adapters.
Module pictured_module(const Setting& setting) {
  for (const auto& [layer, module] : setting.adapted)
    if (module == Module::v_proj) return module;
  return setting.adapted.empty() ? Module::none : setting.adapted.front().second;
}

// x: n×d. Each feature with mean 0 and standard deviation 1 (ddof 0); constant features are not scaled, as in
// scikit-learn's StandardScaler. float64.
Tensor standardised(const Tensor& x) {
  const Tensor values = x.to(c10::ScalarType::Double);
  const Tensor mean = values.mean(0), variance = values.var(0, /*unbiased=*/false);
  const double rounding = static_cast<double>(x.size(0)) * std::numeric_limits<double>::epsilon();
  const Tensor constant = variance <= rounding * variance + (rounding * mean).square();
  return (values - mean) / at::where(constant, 1.0, variance.sqrt());
}

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

// "layers 3, 5"
std::string listed(const std::vector<int64_t>& layers) {
  std::string text = layers.size() > 1 ? "layers" : "layer";
  for (size_t i = 0; i < layers.size(); ++i) text += fmt::format("{} {}", i ? "," : "", layers[i]);
  return text;
}

class Embedding : public Analysis {
 public:
  explicit Embedding(const Setting& setting)
      : setting_(setting),
        module_(pictured_module(setting)),
        pictured_(pictured_layers(setting.layers)),
        curves_(setting) {}

  bool wants(Part part, Role role) const override {
    if (setting_.paper) return part == Part::sample && role == Role::adapted && module_ != Module::none;
    return part == Part::test && (role != Role::untrained || module_ != Module::none);
  }
  bool wants(Part part, Role role, const Site& site) const override {
    if (!wants(part, role)) return false;
    if (site.kind == SiteKind::residual_out) return !setting_.paper && role != Role::untrained;
    return site.kind == SiteKind::adapter_down && site.module == module_ && role != Role::frozen &&
           (!setting_.paper || pictured_.contains(site.layer));
  }

  void begin_fold(const FoldSubjects& fold) override;
  void see(const BatchView& view, const Site& site, const Tensor& value) override;
  void end_fold(const FoldSubjects& fold) override;
  Findings finish() override;

 private:
  using Space = EmbeddingSpace;

  void keep(const Space& space, int64_t clip, const Tensor& vector);
  void measure(int64_t fold, const Space& space, const std::string& variant, const Tensor& features);
  void draw(int64_t fold);
  void note(const std::string& sentence) {
    if (std::ranges::find(notes_, sentence) == notes_.end()) notes_.push_back(sentence);
  }
  void note_what_is_missing();

  const Setting& setting_;
  Module module_;
  std::set<int64_t> pictured_;
  FoldCurves curves_;
  std::vector<Row> divergences_;
  std::optional<EmbeddingPicture> picture_;
  std::vector<std::string> notes_;
  std::set<std::string> unmeasured_;  // kinds of label that are unknown or the same for all clips in some fold
  int64_t folds_ = 0;  // number of folds with clips
  bool adapter_seen_ = false, uneven_ = false;

  // State of the current fold.
  std::vector<int64_t> clips_;  // clips whose vectors are kept
  std::map<int64_t, int64_t> row_of_;  // row of each clip in features_
  std::map<std::string, std::vector<int64_t>> labels_;  // by kind: emotion, and speaker where it is known throughout
  std::vector<int64_t> groups_;  // for the jackknife
  std::map<Space, Tensor> features_;  // n×d, float32
};

void Embedding::begin_fold(const FoldSubjects& fold) {
  clips_ = fold.of(setting_.paper ? Part::sample : Part::test);
  if (!setting_.paper && std::ssize(clips_) > most_clips) {
    note(fmt::format("Folds with more than {} test clips: that number was drawn with the seed.", most_clips));
    Random(hash_of(setting_.seed, hash_of("embedding"), fold.fold)).shuffle(clips_);
    clips_.resize(most_clips);
  }
  row_of_.clear();
  labels_.clear();
  std::vector<std::string> speakers, groups;
  for (const int64_t clip : clips_) {
    row_of_.emplace(clip, std::ssize(row_of_));
    labels_["emotion"].push_back(setting_.labels[static_cast<size_t>(clip)]);
    speakers.push_back(setting_.clips->clips[static_cast<size_t>(clip)].speaker);
    groups.push_back(setting_.group_of(clip));
  }
  if (std::ranges::find(speakers, "") == speakers.end()) labels_["speaker"] = numbered(speakers);
  groups_ = numbered(groups);
  folds_ += !clips_.empty();
}

// Stores a clip's vector (d) of this space. Clips that were not drawn are skipped.
void Embedding::keep(const Space& space, int64_t clip, const Tensor& vector) {
  const auto row = row_of_.find(clip);
  if (row == row_of_.end()) return;
  Tensor& all = features_[space];
  if (!all.defined()) all = at::empty({std::ssize(clips_), vector.size(0)}, c10::ScalarType::Float);
  if (all.size(1) != vector.size(0)) {
    uneven_ = true;
    return;
  }
  if (!at::isfinite(vector).all().item<bool>())
    fail("{}: {} of layer {} is not finite: the model or the clip contains non-finite values",
         setting_.clips->clips[static_cast<size_t>(clip)].id, space.text(), space.layer);
  all[row->second].copy_(vector);
}

void Embedding::see(const BatchView& view, const Site& site, const Tensor& value) {
  adapter_seen_ |= site.kind == SiteKind::adapter_down;
  const auto clips = view.speech_of(value);
  for (size_t i = 0; i < clips.size(); ++i)
    keep({view.subject.role, site.module, site.layer}, view.clips[i],
         setting_.paper ? clips[i].reshape({-1}) : clips[i].to(c10::ScalarType::Double).mean(0));
}

// features: n×d; distances are computed without further scaling.
void Embedding::measure(int64_t fold, const Space& space, const std::string& variant, const Tensor& features) {
  const Tensor between = distances(features);
  const bool grouped = count_of(groups_) > 1;
  const auto groups = grouped ? std::span<const int64_t>(groups_) : std::span<const int64_t>();
  const auto add = [&](const std::string& metric, const Separation& separation) {
    if (std::isnan(separation.value)) return;
    RowKey key = space.key(metric);
    key.variant = variant;
    const Interval interval = jackknife_interval(separation.value, separation.without);
    curves_.add(fold, key, separation.value, interval.low, interval.high, std::ssize(clips_));
  };
  for (const auto& [kind, labels] : labels_) {
    if (count_of(labels) < 2 || std::ssize(labels) <= neighbours) continue;
    add("silhouette_" + kind, silhouette(between, labels, groups));
    add("purity_" + kind, neighbour_purity(between, labels, neighbours, groups));
    add("purity_" + kind + "_chance", {chance_purity(labels), {}});
  }
}

void Embedding::draw(int64_t fold) {
  const int64_t n = std::ssize(clips_);
  TsneOptions options{.perplexity = perplexity, .threads = at::get_num_threads()};
  if (!setting_.paper && options.perplexity > static_cast<double>(n - 1) / 3) {
    options.perplexity = static_cast<double>(n - 1) / 3;
    note(fmt::format("The perplexity of t-SNE is {:.1f} instead of {:.0f}, as there are only {} clips.",
                     options.perplexity, perplexity, n));
  }
  picture_ = EmbeddingPicture{fold, clips_, {}};
  for (const auto& [space, features] : features_) {
    if (space.role == Role::untrained || !pictured_.contains(space.layer)) continue;
    try {
      const Tsne plane = tsne(standardised(features), options);
      picture_->planes[space] = plane.points;
      divergences_.push_back({.key = space.key("kl_divergence"), .fold = fold, .value = plane.divergence, .n = n});
    } catch (const Error& error) {
      note(fmt::format("No t-SNE of {}: {}.", space.text(), error.what()));
    }
  }
}

void Embedding::end_fold(const FoldSubjects& fold) {
  const int64_t n = std::ssize(clips_);
  double bytes = 0;
  for (const auto& [space, features] : features_) bytes += static_cast<double>(features.nbytes());
  if (setting_.paper) {
    if (n > 0 && !features_.empty() && !uneven_) {
      note(fmt::format("All {} clips are held at once, with A x of all their positions: {:.1f} MB.", n, bytes / 1e6));
      draw(fold.fold);
    }
    features_.clear();
    return;
  }
  if (n > 0 && folds_ == 1)
    note(fmt::format(
        "Means over speech frames, one fold's clips held at a time ({:.1f} MB in the first). Distances "
        "are Euclidean after each feature was standardised over the fold's test clips; in rows of variant balanced, "
        "in the balanced gauge without standardisation.",
        bytes / 1e6));
  for (const char* kind : {"emotion", "speaker"})
    if (n > neighbours && (!labels_.contains(kind) || count_of(labels_[kind]) < 2)) unmeasured_.insert(kind);
  if (n > 0 && n <= neighbours)
    note(fmt::format("Nothing is measured in folds with {} test clips or fewer.", neighbours));
  for (const auto& [space, features] : features_) {
    measure(fold.fold, space, "", standardised(features));
    if (!space.is_adapter()) continue;
    if (const auto factors = factors_at(fold.of(space.role), {space.layer, module_}))
      measure(fold.fold, space, "balanced",
              at::matmul(features.to(c10::ScalarType::Double), balanced_gauge(factors->a, factors->b).change.t()));
  }
  if (!picture_ && n >= fewest_pictured) draw(fold.fold);
  features_.clear();
}

void Embedding::note_what_is_missing() {
  if (folds_ == 0) return note("No clip was seen, so nothing could be measured.");
  std::vector<int64_t> without;
  for (const int64_t layer : pictured_)
    if (std::ranges::find(setting_.adapted, std::pair(layer, module_)) == setting_.adapted.end())
      without.push_back(layer);
  if (const std::string sites = setting_.note_on_site_adapters(); !sites.empty()) note(sites);
  if (!adapter_seen_)
    note(fmt::format("The adapted model has no A x, so {}.",
                     setting_.paper ? "there is nothing to draw" : "only residual streams were measured"));
  else if (!without.empty())
    note(fmt::format("No picture of A x in {}: there is no adapter on {}.", listed(without), name_of(module_)));
  if (uneven_)
    note("No t-SNE of A x: the clips differ in their number of positions, so their vectors differ in length.");
  for (const auto& kind : unmeasured_)
    note(fmt::format("By {}, nothing is measured in folds whose test clips have {}.", kind,
                     kind == "speaker" ? "a single speaker or unknown speakers" : "a single emotion"));
  if (!setting_.paper && !picture_) note(fmt::format("No t-SNE: no fold has {} test clips.", fewest_pictured));
  if (picture_ && setting_.folds > 1)
    note(fmt::format("t-SNE shows the test clips of fold {} alone: each fold's model has its own space.",
                     picture_->fold));
}

Findings Embedding::finish() {
  Findings findings;
  findings.measures = setting_.paper ? "t-SNE of clips by A x at all their positions."
                                     : "How well emotions and speakers separate in A x and in the residual stream: "
                                       "silhouette, and share of the 10 nearest clips with the same label; t-SNE.";
  findings.source = "t-SNE: van der Maaten and Hinton, 2008, and van der Maaten, 2014; silhouette: Rousseeuw, 1987";
  findings.caveat =
      "In a t-SNE plot, cluster sizes and distances between clusters have no meaning (Wattenberg, Viégas and "
      "Johnson, 2016). A x is defined only up to an invertible linear map, which changes distances between clips";
  findings.caveat += setting_.paper ? "." : ": see the rows of variant balanced.";
  findings.rows = curves_.rows();
  findings.rows.insert(findings.rows.end(), divergences_.begin(), divergences_.end());
  if (!setting_.paper) findings.reading = embedding_reading(setting_, module_, findings.rows);
  if (picture_) add_pictures(setting_, *picture_, findings);
  add_curves(setting_, findings);
  note_what_is_missing();
  findings.notes = notes_;
  return findings;
}

}  // namespace

std::unique_ptr<Analysis> make_embedding(const Setting& setting) { return std::make_unique<Embedding>(setting); }

}  // namespace loralens
